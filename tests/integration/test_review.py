"""The review between people, and the time after a release: conditions, claims, rounds, reminders, recall, renewal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from django.utils import timezone

from audit import keys, verify
from audit.export import export
from audit.models import LogEntry
from llmsynthor_site import notices, reminders
from llmsynthor_site.models import User
from synthesis import delivery, linting, policies, reviewing, rounds, selectors, services
from synthesis.models import Claim, Condition, DownloadGrant, SynthesisRequest, Vote
from synthesis.states import Gate
from synthesis.states import RequestState as S
from synthesis.transitions import NotNow, allowed_actions
from tests import request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> request_site.Site:
    return request_site.make()


@pytest.fixture
def door(site: Any) -> Iterator[Any]:
    with request_site.open_door() as opened:
        yield opened


def fresh(request: SynthesisRequest) -> SynthesisRequest:
    return SynthesisRequest.objects.select_related("dataset", "requester").get(pk=request.pk)


def page(user: User, address: str) -> str:
    client = Client()
    client.force_login(user)
    return client.get(address).content.decode()


def conditioned(house: request_site.Site, text: str = "Only for the class of 2026.") -> SynthesisRequest:
    request = house.submitted()
    reviewing.state_condition(by=house.stella, request=request, text=text, seen=request.content_hash)
    return fresh(request)


def offered(request: SynthesisRequest, user: User) -> dict[str, bool]:
    return {one.name: one.allowed for one in allowed_actions(request, user)}


def test_a_conditional_approval_is_no_vote_until_the_requester_accepts_it(house: request_site.Site) -> None:
    request = conditioned(house)
    assert not Vote.objects.exists()
    assert not offered(request, house.stella)["vote_measure"], "the condition is her vote"
    house.vote(request, house.stefan)
    assert fresh(request).state == S.IN_REVIEW
    reviewing.accept_conditions(by=house.rosa, request=fresh(request))
    assert fresh(request).state == S.APPROVED
    vote = Vote.objects.get(voter=house.stella)
    assert vote.comment.endswith("Only for the class of 2026.")
    assert not offered(fresh(request), house.rosa).get("accept")


def waits_for(user: User) -> tuple[bool, bool]:
    """Whether anything is on the lists "waiting for you" and "waiting for others"."""
    return selectors.waiting_for(user).exists(), selectors.waiting_for_others(user).exists()


def test_a_condition_waits_for_the_requester_until_it_is_accepted(house: request_site.Site) -> None:
    request = conditioned(house)
    assert selectors.is_my_move(request, house.rosa)
    assert waits_for(house.rosa) == (True, False)
    assert waits_for(house.stefan)[0]
    reviewing.accept_conditions(by=house.rosa, request=request)
    assert not selectors.is_my_move(fresh(request), house.rosa)
    assert waits_for(house.rosa) == (False, True)


def test_a_condition_is_told_to_the_requester_and_hidden_from_other_stewards(house: request_site.Site) -> None:
    request = conditioned(house, "Publish no table of towns.")
    assert "Publish no table of towns." in page(house.rosa, request.get_absolute_url())
    for other in (house.stefan, house.owner, house.amir):
        assert "Publish no table" not in page(other, request.get_absolute_url())
        assert "Publish no table" not in page(other, f"{request.get_absolute_url()}gate/measure/")
    assert any("on a condition" in one.text for one in notices.of(house.rosa))
    assert not any("condition" in one.text for one in notices.of(house.stefan))


def test_a_condition_binds_to_what_was_seen_and_ends_when_the_request_is_taken_back(house: request_site.Site) -> None:
    request = house.submitted()
    with pytest.raises(ValidationError, match="changed"):
        reviewing.state_condition(by=house.stella, request=request, text="If.", seen="0" * 64)
    with pytest.raises(PermissionDenied):
        reviewing.accept_conditions(by=house.rosa, request=_in_review(house, request))
    reviewing.state_condition(by=house.stefan, request=fresh(request), text="If.", seen=request.content_hash)
    reviewing.take_back(by=house.rosa, request=fresh(request))
    services.submit(by=house.rosa, request=fresh(request))
    assert not policies.open_conditions(fresh(request)).exists()
    assert offered(fresh(request), house.stefan)["vote_measure"]


def _in_review(house: request_site.Site, request: SynthesisRequest) -> SynthesisRequest:
    house.vote(request, house.stella)
    return fresh(request)


def test_an_accepted_condition_stands_in_the_log_as_the_verifier_expects(
    house: request_site.Site, tmp_path: Any
) -> None:
    request = conditioned(house)
    reviewing.accept_conditions(by=house.rosa, request=request)
    house.vote(request, house.stefan)
    assert fresh(request).state == S.APPROVED
    assert [one.by for one in LogEntry.objects.filter(action="synthesis:vote:cast")] == ["user:stella", "user:stefan"]
    holds(tmp_path / "export")


def test_a_claim_is_seen_binds_nobody_and_ends_by_itself(house: request_site.Site) -> None:
    request = house.submitted()
    reviewing.claim(by=house.stella, request=request)
    assert "says that they are looking at it" in page(house.stefan, f"{request.get_absolute_url()}gate/measure/")
    assert not offered(fresh(request), house.stefan)["claim"]
    assert offered(fresh(request), house.stefan)["vote_measure"]
    Claim.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert "looking at it" not in page(house.stefan, request.get_absolute_url()).replace("Say that you are looking", "")
    assert offered(fresh(request), house.stefan)["claim"]


def test_reviewers_see_what_changed_since_it_came_back(house: request_site.Site) -> None:
    request = house.submitted()
    services.return_with_comments(by=house.stella, request=request, comment="Say who will use it.")
    changed = request_site.WISH | {"context": "Used in class by forty pupils, kept on school computers."}
    services.edit_request(by=house.rosa, request=fresh(request), **changed)
    services.submit(by=house.rosa, request=fresh(request))
    assert [one.round for one in request.submissions.all()] == [1, 2]
    shown = page(house.stefan, f"{request.get_absolute_url()}gate/measure/")
    assert "Say who will use it." in shown
    assert "<ins>class by forty pupils, </ins>" in shown
    assert "<del>class, </del>" in shown


def test_the_differences_are_whole_words_and_only_of_what_differs() -> None:
    before = {"purpose": "To teach pupils.", "rows": 300, "seed": "1", "endpoint": {"model": "a"}}
    after = {"purpose": "To teach old pupils.", "rows": 300, "seed": "2", "endpoint": {"model": "b"}}
    found = {one.label: one.parts for one in rounds.changes(before, after)}
    assert found["Purpose"] == (("same", "To teach "), ("new", "old "), ("same", "pupils."))
    assert found["Endpoint"] == (("same", "model: "), ("gone", "a"), ("new", "b"))
    assert set(found) == {"Purpose", "Endpoint"}


def test_reviewers_see_earlier_releases_and_researchers_do_not(house: request_site.Site) -> None:
    first = house.measured(title="An earlier look at pay", epsilon=Decimal(1))
    second = house.submitted(title="Another look", epsilon=Decimal(1))
    gate = f"{second.get_absolute_url()}gate/measure/"
    assert "An earlier look at pay" in page(house.stella, gate)
    assert first.get_absolute_url() in page(house.stella, gate)
    assert "None: nothing was measured" in page(house.stella, f"{first.get_absolute_url()}gate/measure/")


def test_advice_names_what_reviewers_return_requests_for(house: request_site.Site) -> None:
    poor = house.request(purpose="To see.", context="To see.", rows=20)
    told = " ".join(linting.findings(poor))
    for words in ("purpose is very short", "context is very short", "say the same", "Epsilon is above 3"):
        assert words in told
    shown = page(house.rosa, f"{poor.get_absolute_url()}step/submit/")
    assert "The purpose is very short" in shown
    good = {"purpose": "Which share of pupils earns money in which class, " * 2, "epsilon": Decimal(1)}
    assert (
        linting.findings(house.request(**good, context="Two teachers use it at school; nothing is published. " * 2))
        == []
    )


def test_what_waits_too_long_is_brought_to_mind_once_a_week(house: request_site.Site) -> None:
    request = house.submitted()
    assert reminders.remind() == 0
    house.vote(request, house.stella)
    SynthesisRequest.objects.update(since=timezone.now() - timedelta(days=8))
    assert reminders.remind() == 1
    assert reminders.remind() == 0, "not again at once"
    assert next(one.text for one in notices.of(house.stefan)).endswith("has waited for 8 days.")
    assert not any("waited" in one.text for one in notices.of(house.stella)), "she has voted"
    SynthesisRequest.objects.update(
        since=timezone.now() - timedelta(days=16), reminded_at=timezone.now() - timedelta(8)
    )
    assert reminders.remind() == 1


def test_what_nobody_decides_on_ends_and_what_is_decided_does_not(house: request_site.Site) -> None:
    old, young = house.submitted(), house.submitted(epsilon=Decimal(1))
    SynthesisRequest.objects.filter(pk=old.pk).update(since=timezone.now() - reviewing.LAPSES - timedelta(days=1))
    assert (reviewing.lapse(), reviewing.lapse()) == (1, 0)
    assert (fresh(old).state, fresh(young).state) == (S.LAPSED, S.SUBMITTED)
    assert any("Nobody decided" in one.text for one in notices.of(house.rosa))
    with pytest.raises(NotNow):
        house.vote(old, house.stella)


def expired(house: request_site.Site) -> SynthesisRequest:
    request = house.released()
    DownloadGrant.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert (reviewing.expire(), reviewing.expire()) == (1, 0)
    return fresh(request)


def test_a_release_expires_and_two_stewards_renew_it_at_no_charge(
    house: request_site.Site, door: Any, tmp_path: Any
) -> None:
    request = expired(house)
    assert request.state == S.EXPIRED
    spent = selectors_budget(house)
    with pytest.raises(PermissionDenied):
        delivery.accept_licence(by=house.rosa, grant=DownloadGrant.objects.get(), version="1")
    reviewing.ask_renewal(by=house.rosa, request=request, reason="The course runs once more.")
    for steward in (house.stella, house.stefan):
        assert fresh(request).state == S.CHECKING
        house.vote(request, steward, Gate.OUTPUT)
    grant = DownloadGrant.objects.get()
    assert fresh(request).state == S.RELEASED
    assert grant.expires_at > timezone.now() + timedelta(days=80)
    assert delivery.make_link(by=house.rosa, grant=accepted(house, grant), file_name="data.csv")
    assert selectors_budget(house) == spent
    holds(tmp_path / "export")


def holds(folder: Path) -> None:
    """An auditor's verifier finds nothing wrong with the log as it is."""
    export(folder, by="user:amir", reason="To see whether the verifier follows.")
    report = verify.verify(folder, key=str(keys.public()))
    assert report.findings == []


def accepted(house: request_site.Site, grant: DownloadGrant) -> DownloadGrant:
    delivery.accept_licence(by=house.rosa, grant=grant, version="1")
    return grant


def selectors_budget(house: request_site.Site) -> Decimal:
    from privacy import selectors as privacy

    return privacy.budget(house.dataset.population_id).spent


def test_a_recall_ends_downloads_and_asks_until_it_is_acknowledged(house: request_site.Site, door: Any) -> None:
    request = house.released()
    with pytest.raises(ValidationError):
        reviewing.recall(by=house.stella, request=request, reason=" ")
    reviewing.recall(by=house.stella, request=fresh(request), reason="A rule was wrong.")
    request = fresh(request)
    assert selectors.is_my_move(request, house.rosa)
    assert waits_for(house.rosa) == (True, False)
    with pytest.raises(PermissionDenied):
        delivery.accept_licence(by=house.rosa, grant=DownloadGrant.objects.get(), version="1")
    assert "A rule was wrong." in page(house.rosa, request.get_absolute_url())
    assert "Not yet" in page(house.stella, request.get_absolute_url())
    assert not offered(request, house.stella)["acknowledge"]
    SynthesisRequest.objects.update(since=timezone.now() - timedelta(days=8))
    assert reminders.remind() == 1
    assert any("was recalled: acknowledge" in one.text for one in notices.of(house.rosa))
    reviewing.acknowledge(by=house.rosa, request=fresh(request))
    assert waits_for(house.rosa) == (False, False)
    assert not offered(fresh(request), house.rosa)["acknowledge"]
    assert "Acknowledged" in page(house.amir, request.get_absolute_url())
    assert LogEntry.objects.filter(action="synthesis:request:recall_acknowledged", by="user:rosa").count() == 1


def test_every_step_on_a_page_of_its_own_is_taken_by_a_post(house: request_site.Site) -> None:
    request = house.submitted()
    stella, rosa = Client(), Client()
    stella.force_login(house.stella)
    rosa.force_login(house.rosa)
    address = request.get_absolute_url()
    assert stella.post(f"{address}step/claim/").status_code == 302
    asked = {"seen": request.content_hash, "text": "If it is deleted in May."}
    assert stella.get(f"{address}condition/?seen={request.content_hash}").status_code == 200
    assert stella.post(f"{address}condition/", asked | {"text": ""}).status_code == 200
    assert stella.post(f"{address}condition/", asked).status_code == 302
    assert rosa.get(f"{address}condition/").status_code == 403
    assert Condition.objects.get().text == "If it is deleted in May."
    assert rosa.post(f"{address}step/accept/").status_code == 302
    assert Vote.objects.get().voter == house.stella
    assert rosa.post(f"{address}step/take_back/").status_code == 302
    assert selectors.is_my_move(fresh(request), house.rosa)


def test_a_renewal_hides_no_vote_of_an_earlier_round(house: request_site.Site, door: Any) -> None:
    request = house.released()
    SynthesisRequest.objects.filter(pk=request.pk).update(state=S.EXPIRED)
    reviewing.ask_renewal(by=house.rosa, request=fresh(request), reason="The course runs once more.")
    house.vote(request, house.stella, Gate.OUTPUT)
    shown = selectors.votes_shown(fresh(request))
    assert [(one.gate, one.round) for one in shown] == [("measure", 1)] * 2 + [("egress", 1)] + [("output", 1)] * 2
    gate = page(house.stefan, f"/requests/{request.pk}/gate/output/")
    assert "Earlier rounds" in gate
    assert "round 1: stella" in gate
    assert "round 2: stella" not in gate, "her vote of this round is blind"
    assert "round 1: stella" in page(house.rosa, request.get_absolute_url())
    house.vote(request, house.stefan, Gate.OUTPUT)
    assert "round 2: stella" in page(house.stefan, f"/requests/{request.pk}/gate/output/")


def test_votes_of_a_round_that_came_back_stay_blind_until_gate_a_has_decided(house: request_site.Site) -> None:
    request = house.submitted()
    house.vote(request, house.stella)
    services.return_with_comments(by=house.stefan, request=fresh(request), comment="Say more.")
    assert selectors.votes_shown(fresh(request)) == []
    services.submit(by=house.rosa, request=fresh(request))
    assert selectors.votes_shown(fresh(request)) == []
    services.return_with_comments(by=house.stefan, request=fresh(request), comment="And where it is kept.")
    services.submit(by=house.rosa, request=fresh(request))
    gate = page(house.stefan, f"/requests/{request.pk}/gate/measure/")
    assert "Every earlier round" in gate
    assert "It came back with: Say more." in gate
    for steward in (house.stella, house.stefan):
        house.vote(request, steward)
    assert [one.round for one in selectors.votes_shown(fresh(request))] == [1, 3, 3]


def test_advice_says_that_the_cap_has_too_little_left_and_no_figure(house: request_site.Site) -> None:
    draft = house.request()
    assert not any("than the cap has left" in one for one in linting.findings(draft))
    SynthesisRequest.objects.filter(pk=draft.pk).update(rho=Decimal("2.5"))
    [told] = [one for one in linting.findings(fresh(draft)) if "than the cap has left" in one]
    assert not any(sign.isdigit() for sign in told)
    assert "than the cap has left" in page(house.rosa, f"/requests/{draft.pk}/step/submit/")
