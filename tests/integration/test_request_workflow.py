"""The request workflow: who may do what in which state, blind votes, and nobody approving their own."""

from __future__ import annotations

import itertools

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction

from audit.models import Outbox
from synthesis import policies, selectors, services
from synthesis.hashing import hash_of
from synthesis.models import SuggestedRule, SynthesisRequest, Vote
from synthesis.states import Decision, Gate, RequestState
from synthesis.transitions import NotNow, allowed_actions, check, move
from synthesis.workflow import REQUEST
from tests import request_site
from tests.request_site import Site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
S = RequestState

# (person, action) -> states in which it is allowed; every other combination must be refused.
ALLOWED = {
    ("rosa", "submit"): {S.DRAFT, S.RETURNED},
    ("rosa", "withdraw"): {S.DRAFT, S.SUBMITTED, S.IN_REVIEW, S.RETURNED, S.STRUCTURING},
    **{(name, "return"): {S.SUBMITTED, S.IN_REVIEW} for name in ("stella", "stefan")},
    **{(name, "vote_measure"): {S.SUBMITTED, S.IN_REVIEW} for name in ("stella", "stefan")},
    **{(name, "vote_egress"): {S.MEASURED} for name in ("stella", "stefan")},
    **{(name, "decide_rule"): {S.MEASURED} for name in ("stella", "stefan")},
    **{(name, "resume"): {S.PAUSED} for name in ("stella", "stefan")},
    **{(name, "vote_output"): {S.CHECKING} for name in ("stella", "stefan")},
    **{(name, "stop"): {S.SYNTHESISING, S.PAUSED, S.COMPARING} for name in ("stella", "stefan")},
    **{(name, "revoke"): {S.RELEASED} for name in ("stella", "stefan")},
    **{(name, "recall"): {S.RELEASED, S.EXPIRED} for name in ("stella", "stefan")},
    **{(name, "condition"): {S.SUBMITTED, S.IN_REVIEW} for name in ("stella", "stefan")},
    **{(name, "claim"): {S.SUBMITTED, S.IN_REVIEW, S.MEASURED, S.CHECKING} for name in ("stella", "stefan")},
    ("rosa", "take_back"): {S.SUBMITTED, S.IN_REVIEW},
    ("rosa", "renew"): {S.EXPIRED},
}
PEOPLE = ("owner", "stella", "stefan", "rosa", "amir", "ada")


@pytest.fixture
def house() -> Site:
    return request_site.make()


def test_every_state_role_and_action(house: Site) -> None:
    request = house.submitted()
    from synthesis.models import EgressManifest

    EgressManifest.objects.create(request=request, body={}, content_hash="x")
    SuggestedRule.objects.create(request=request, number=1, rule="x", columns=[], requester=house.rosa)
    wrong = []
    actions = sorted({row.name for row in REQUEST.transitions})
    for state, person, action in itertools.product(RequestState, PEOPLE, actions):
        request.state = state
        offered = {each.name: each.allowed for each in allowed_actions(request, getattr(house, person))}
        expected = state in ALLOWED.get((person, action), set())
        if offered.get(action, False) is not expected or may_check(request, action, getattr(house, person)) != expected:
            wrong.append((state, person, action))
    assert wrong == []


def may_check(request: SynthesisRequest, action: str, person: object) -> bool:
    try:
        check(request, action, person)
    except (PermissionDenied, NotNow):
        return False
    return True


def test_two_stewards_open_gate_a_and_the_second_vote_decides(house: Site) -> None:
    request = house.submitted()
    house.vote(request, house.stella)
    assert SynthesisRequest.objects.get().state == S.IN_REVIEW
    house.vote(request, house.stefan)
    assert SynthesisRequest.objects.get().state == S.APPROVED
    assert request.jobs.get().kind == "measure"


def test_one_rejection_rejects_and_spends_nothing(house: Site) -> None:
    request = house.submitted()
    house.vote(request, house.stella)
    house.vote(request, house.stefan, decision=Decision.REJECT)
    assert SynthesisRequest.objects.get().state == S.REJECTED
    assert not request.jobs.exists()


def test_a_second_vote_by_the_same_person_is_refused(house: Site) -> None:
    request = house.submitted()
    house.vote(request, house.stella)
    with pytest.raises(PermissionDenied, match="once each"):
        house.vote(request, house.stella)
    assert Vote.objects.count() == 1
    assert SynthesisRequest.objects.get().state == S.IN_REVIEW


def test_votes_are_blind_until_all_are_in(house: Site) -> None:
    request = house.submitted()
    house.vote(request, house.stella)
    request.refresh_from_db()
    assert selectors.votes_shown(request) == []
    house.vote(request, house.stefan)
    request.refresh_from_db()
    assert len(selectors.votes_shown(request)) == 2


def test_the_database_itself_refuses_a_vote_on_ones_own_request(house: Site) -> None:
    request = house.submitted()
    with pytest.raises(IntegrityError, match="nobody_approves_their_own"), transaction.atomic():
        Vote.objects.create(
            request=request, gate=Gate.MEASURE, round=1, voter=house.rosa, requester=house.rosa,
            decision=Decision.APPROVE, content_hash="x",
        )  # fmt: skip


def test_a_requester_who_became_steward_still_cannot_vote(house: Site) -> None:
    request = house.submitted()
    house.rosa.role_grants.update(role="steward")
    assert not policies.may_vote_measure(request, type(house.rosa).objects.get(pk=house.rosa.pk))


def test_a_vote_binds_to_what_was_seen(house: Site) -> None:
    request = house.submitted()
    with pytest.raises(ValidationError, match="changed"):
        services.vote(
            by=house.stella, request=request, gate=Gate.MEASURE,
            decision=Decision.APPROVE, comment="", seen_hash="0" * 64,
        )  # fmt: skip
    assert not Vote.objects.exists()


def test_votes_of_an_earlier_round_do_not_count(house: Site) -> None:
    request = house.submitted()
    house.vote(request, house.stella)
    request.refresh_from_db()
    services.return_with_comments(by=house.stefan, request=request, comment="Say who will use it.")
    services.submit(by=house.rosa, request=SynthesisRequest.objects.get())
    house.vote(request, house.stefan)
    assert SynthesisRequest.objects.get().state == S.IN_REVIEW
    house.vote(request, house.stella)
    assert SynthesisRequest.objects.get().state == S.APPROVED


def test_two_people_at_once_get_one_success(house: Site) -> None:
    request = house.submitted()
    stale = SynthesisRequest.objects.get(pk=request.pk)
    services.withdraw(by=house.rosa, request=request)
    with pytest.raises(NotNow, match="changed this request meanwhile"):
        move(stale, "vote_measure", by="system")


def test_a_stale_copy_revives_nothing(house: Site) -> None:
    """A second tab with an old draft: submitting it after a rejection must not bring the request back."""
    draft = house.request()
    stale = SynthesisRequest.objects.get(pk=draft.pk)
    services.submit(by=house.rosa, request=draft)
    house.vote(draft, house.stella)
    house.vote(draft, house.stefan, decision=Decision.REJECT)
    with pytest.raises(NotNow):
        services.submit(by=house.rosa, request=stale)
    with pytest.raises(NotNow):
        services.edit_request(by=house.rosa, request=stale, **{**request_site.WISH, "title": "Another"})
    kept = SynthesisRequest.objects.get()
    assert (kept.state, kept.round, kept.title) == (S.REJECTED, 1, "Synthetic small")


def test_gate_a_approves_the_plan_that_is_run(house: Site) -> None:
    request = house.submitted()
    assert request.snapshot["plan"]["one_way_share"] == "0.3"
    assert request.content_hash == hash_of(request.snapshot)


def test_every_change_of_state_leaves_its_event_in_the_same_transaction(house: Site) -> None:
    request = house.submitted()
    with pytest.raises(RuntimeError), transaction.atomic():
        services.withdraw(by=house.rosa, request=request)
        raise RuntimeError
    assert SynthesisRequest.objects.get().state == S.SUBMITTED
    assert "synthesis:request:withdrawn" not in set(Outbox.objects.values_list("action", flat=True))
    services.withdraw(by=house.rosa, request=SynthesisRequest.objects.get())
    assert "synthesis:request:withdrawn" in set(Outbox.objects.values_list("action", flat=True))


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("epsilon", "0", "greater than 0"),
        ("epsilon", "90", "above what the population's cap has left"),
        ("delta", "0", "between 0 and 1"),
        ("delta", "1e-400", "at least 1e-12"),
        ("delta", "NaN", "at least 1e-12"),
        ("epsilon", "NaN", "greater than 0"),
        ("rows", 10**9, "At most"),
        ("proposer", "openai", "Choose the endpoint"),
        ("context", "", "cannot be blank"),
    ],
)
def test_bad_wishes_name_the_field_and_the_rule(house: Site, field: str, value: object, rule: str) -> None:
    from decimal import Decimal

    asked = Decimal(str(value)) if field in ("epsilon", "delta") else value
    with pytest.raises(ValidationError) as caught:
        house.request(**{field: asked})
    problems = caught.value.message_dict
    assert set(problems) <= {field, "endpoint"}
    assert rule in str(problems)
    assert not SynthesisRequest.objects.exists()


def test_a_draft_is_its_authors_alone(house: Site) -> None:
    request = house.request()
    people = (house.rosa, house.owner, house.stella, house.amir, house.ada)
    assert [selectors.visible_to(one).count() for one in people] == [1, 0, 0, 0, 0]
    assert [policies.may_see(request, one) for one in people] == [True, False, False, False, False]


def test_home_tells_whose_move_it_is(house: Site) -> None:
    request = house.submitted()
    assert list(selectors.waiting_for(house.stella)) == [request]
    assert list(selectors.waiting_for_others(house.rosa)) == [request]
    assert list(selectors.waiting_for_others(house.owner)) == [request]
    assert list(selectors.waiting_for_others(house.stella)) == []
    house.vote(request, house.stella)
    assert list(selectors.waiting_for(house.stella)) == []
    assert list(selectors.waiting_for_others(house.stella)) == [request]
    assert list(selectors.waiting_for(house.stefan)) == [request]


def test_the_list_of_what_waits_and_the_rule_for_one_request_agree(house: Site) -> None:
    """In every state, for everybody, with a vote of stella at the gate it stands before."""
    request = house.submitted()
    from synthesis.models import EgressManifest

    EgressManifest.objects.create(request=request, body={}, content_hash="x")
    for gate in Gate:
        facts = {"decision": Decision.APPROVE, "content_hash": "x", "requester": house.rosa}
        Vote.objects.create(request=request, gate=gate, round=1, voter=house.stella, **facts)
    for state, name in itertools.product(RequestState, PEOPLE):
        SynthesisRequest.objects.update(state=state)
        request.refresh_from_db()
        person = getattr(house, name)
        listed = selectors.waiting_for(person).exists()
        assert listed == (selectors.is_my_move(request, person) and policies.may_see(request, person)), (state, name)
        assert not (listed and selectors.waiting_for_others(person).exists()), (state, name)
