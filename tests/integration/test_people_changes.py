"""Roles and passwords are matters of two people: proposed, confirmed, taken away, and what follows from each."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.utils import DatabaseError
from django.test import Client
from django.utils import timezone

from audit.models import LogEntry, Outbox
from llmsynthor_site import services, webhooks
from llmsynthor_site.models import PeopleChange, RoleGrant, User
from llmsynthor_site.people import changes
from llmsynthor_site.roles import CONFLICTS
from privacy import caps
from synthesis import policies
from synthesis.models import SynthesisRequest
from synthesis.services import vote
from synthesis.states import Decision, Gate, RequestState
from tests import privacy_site, request_site
from tests.append_only import triggers_lifted

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


def again(user: User) -> User:
    return User.objects.get(pk=user.pk)


def entered(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def proposed(small: request_site.Site, user: User, role: str = "steward") -> PeopleChange:
    return changes.propose(by=small.ada, user=user, kind="grant", role=role, reason="Joins the office.")


def actions() -> list[str]:
    return list(Outbox.objects.order_by("pk").values_list("action", flat=True))


def test_a_role_needs_two_people(small: request_site.Site) -> None:
    new = services.invite(by=small.ada, username="nina", email="nina@example.org")
    change = proposed(small, new)
    assert not again(new).has_perm("synthesis.review_request")
    assert list(changes.waiting_for(small.ada)) == []
    assert list(changes.waiting_for(small.owner)) == [change]
    with pytest.raises(PermissionDenied, match="never whoever proposed it"):
        changes.confirm(by=small.ada, change=change)
    changes.confirm(by=small.owner, change=change)
    assert again(new).has_perm("synthesis.review_request")
    told = Outbox.objects.get(action="site:role:granted", subject=f"user:{new.pk}")
    assert b'"confirmed_by":"user:olivia"' in bytes(told.facts)
    assert b'"proposed_by":"user:ada"' in bytes(told.facts)
    with pytest.raises(PermissionDenied, match="decided meanwhile"):
        changes.confirm(by=privacy_site.person("odo", "owner"), change=change)


def test_nobody_grants_alone_or_to_themselves(small: request_site.Site) -> None:
    new = privacy_site.person("nina")
    for other in (None, small.ada):
        with pytest.raises(PermissionDenied, match="two people"):
            services.grant_role(by=small.ada, user=new, role="steward", proposed_by=other)
    with pytest.raises(PermissionDenied, match="their own access"):
        changes.propose(by=small.ada, user=small.ada, kind="grant", role="researcher", reason="I would like to.")
    change = proposed(small, new)
    for person in (small.rosa, small.stella, small.amir, new):
        with pytest.raises(PermissionDenied):
            changes.confirm(by=person, change=change)
        with pytest.raises(PermissionDenied):
            changes.propose(by=person, user=small.rosa, kind="reset", reason="Why not.")
    assert PeopleChange.objects.get().outcome == ""


def test_conflicts_are_refused_at_both_steps(small: request_site.Site) -> None:
    with pytest.raises(ValidationError, match="researcher and steward"):
        proposed(small, small.rosa)
    new = privacy_site.person("nina")
    first, second = proposed(small, new), proposed(small, new, "researcher")
    changes.confirm(by=small.owner, change=first)
    with pytest.raises(ValidationError, match="researcher and steward"):
        changes.confirm(by=small.owner, change=second)
    assert PeopleChange.objects.get(pk=second.pk).outcome == "", "a refusal decides nothing"


def test_a_proposal_lapses_with_the_role_of_who_made_it(small: request_site.Site) -> None:
    change = proposed(small, privacy_site.person("nina"))
    privacy_site.person("adam", "admin")
    services.take_away_role(by=None, user=small.ada, role="admin", reason="Left.")
    with pytest.raises(ValidationError, match="no administrator any more"):
        changes.confirm(by=small.owner, change=change)


def test_the_same_is_proposed_once_and_can_be_declined(small: request_site.Site) -> None:
    new = privacy_site.person("nina")
    change = proposed(small, new)
    with pytest.raises(ValidationError, match="proposed already"):
        proposed(small, new)
    changes.decline(by=small.owner, change=change)
    assert not again(new).role_grants.exists()
    with pytest.raises(ValidationError, match="decided meanwhile"):
        changes.decline(by=small.ada, change=change)
    assert proposed(small, new).pk != change.pk
    assert "site:people_change:declined" in actions()


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"outcome": "confirmed", "decided": "proposer"}, "a_second_person_confirms"),
        ({"outcome": "confirmed", "decided": "user"}, "nobody_changes_their_own_access"),
        ({"outcome": "confirmed"}, "decided_by_whom_and_when"),
        ({"outcome": "", "decided": "other"}, "decided_by_whom_and_when"),
        ({"kind": "reset"}, "each_kind_names_what_it_changes"),
        ({"role": ""}, "each_kind_names_what_it_changes"),
        ({"proposed": "user"}, "nobody_changes_their_own_access"),
    ],
)
def test_the_database_itself_wants_two_people(small: request_site.Site, wrong: dict[str, str], rule: str) -> None:
    people = {"proposer": small.ada, "user": small.rosa, "other": small.owner}
    row: dict[str, Any] = {
        "kind": "grant",
        "role": "admin",
        "user": small.rosa,
        "proposed_by": small.ada,
        "reason": "x",
    }
    row |= {name: value for name, value in wrong.items() if name in ("outcome", "kind", "role")}
    if "decided" in wrong:
        row |= {"decided_by": people[wrong["decided"]], "decided_at": timezone.now()}
    if "proposed" in wrong:
        row["proposed_by"] = people[wrong["proposed"]]
    with pytest.raises(IntegrityError, match=rule), transaction.atomic():
        PeopleChange.objects.create(**row)


@pytest.mark.parametrize("pair", sorted(sorted(pair) for pair in CONFLICTS))
def test_the_database_itself_refuses_conflicting_roles(site: Any, pair: list[str]) -> None:
    """Every pair of roles.py in both orders, by insert and by update; not once the first one ended."""
    for first, second in (pair, pair[::-1]):
        user = privacy_site.person(f"p-{first}", first)
        with pytest.raises(DatabaseError, match="roles in conflict"), transaction.atomic():
            RoleGrant.objects.create(user=user, role=second)
        RoleGrant.objects.filter(user=user).update(ended_at=timezone.now())
        RoleGrant.objects.create(user=user, role=second)
        with pytest.raises(DatabaseError, match="roles in conflict"), transaction.atomic():
            RoleGrant.objects.filter(user=user, role=first).update(ended_at=None)


def test_two_conflicting_roles_allow_nothing_at_all(small: request_site.Site) -> None:
    """Should a row get past every rule, its holder can use neither role, at any step of any request."""
    request = small.submitted()
    with triggers_lifted(connection):
        RoleGrant.objects.create(user=small.stella, role="admin")
    assert not any(again(small.stella).has_perm(one) for one in ("synthesis.review_request", services.MANAGE))
    with pytest.raises(PermissionDenied):
        small.vote(request, small.stella)
    page = entered(small.stella).get(f"/requests/{request.pk}/")
    assert page.status_code == 404


def test_a_role_taken_away_counts_at_the_next_step_even_of_a_page_already_open(small: request_site.Site) -> None:
    request, stella = small.submitted(), again(small.stella)
    assert stella.has_perm("synthesis.review_request"), "the page was asked for while the role was held"
    client = entered(stella)
    assert client.get(f"/requests/{request.pk}/gate/measure/").status_code == 200
    services.take_away_role(by=small.ada, user=stella, role="steward", reason="Left the office.")
    with pytest.raises(PermissionDenied, match="Your roles do not allow"):
        small.vote(request, stella)
    given = {"decision": "approve", "seen": request.content_hash, "comment": ""}
    refused = client.post(f"/requests/{request.pk}/gate/measure/decide/", given)
    assert refused["Location"].startswith("/sign-in/"), "their session ended with the role"
    back = entered(again(stella))
    assert back.post(f"/requests/{request.pk}/gate/measure/decide/", given).status_code in (403, 404)
    assert "Ask an administrator for a role" in back.get("/").content.decode()
    assert not request.votes.exists()


def test_an_approval_of_somebody_who_is_no_steward_any_more_opens_no_gate(small: request_site.Site) -> None:
    request = small.submitted()
    small.vote(request, small.stella)
    services.take_away_role(by=small.ada, user=small.stella, role="steward", reason="Left the office.")
    small.vote(request, small.stefan)
    assert SynthesisRequest.objects.get().state == RequestState.IN_REVIEW
    small.vote(request, privacy_site.person("sven", "steward"))
    assert SynthesisRequest.objects.get().state == RequestState.APPROVED


def test_a_rejection_stands_whatever_becomes_of_who_cast_it(small: request_site.Site) -> None:
    request = small.submitted()
    small.vote(request, small.stella, decision=Decision.REJECT)
    services.take_away_role(by=small.ada, user=small.stella, role="steward", reason="Left the office.")
    small.vote(request, small.stefan)
    assert SynthesisRequest.objects.get().state == RequestState.REJECTED


def test_roles_that_ended_stay_on_record_and_the_last_administrator_stays(small: request_site.Site) -> None:
    services.take_away_role(by=small.ada, user=small.rosa, role="researcher", reason="Left.")
    grant = RoleGrant.objects.get(user=small.rosa)
    assert (grant.ended_by, actions()[-1]) == (small.ada, "site:role:taken_away")
    with pytest.raises(ValidationError, match="does not hold"):
        services.take_away_role(by=small.ada, user=small.rosa, role="researcher", reason="Left.")
    with pytest.raises(ValidationError, match="last administrator"):
        services.take_away_role(by=small.ada, user=small.ada, role="admin", reason="Tired.")
    with pytest.raises(PermissionDenied):
        services.take_away_role(by=small.owner, user=small.stella, role="steward", reason="She said no to me.")
    with pytest.raises(ValidationError, match="Say why"):
        services.take_away_role(by=small.ada, user=small.stella, role="steward", reason=" ")


def reset(small: request_site.Site, user: User) -> str:
    change = changes.propose(by=small.ada, user=user, kind="reset", reason="Lost the password.")
    return changes.confirm(by=small.owner, change=change)


def test_a_reset_ends_sessions_and_suspends_votes_for_a_day(small: request_site.Site) -> None:
    """One vote before, none for 24 hours after, though the person signs in with the new password."""
    request, client = small.submitted(), entered(small.stella)
    address = reset(small, small.stella)
    assert client.get("/").status_code == 302, "the session of before has ended"
    fresh = Client()
    form = fresh.get(address, follow=True)
    new = {"new_password1": "a-heron-by-the-lake", "new_password2": "a-heron-by-the-lake"}
    assert fresh.post(form.redirect_chain[-1][0], new).status_code == 302
    assert "has been used" in Client().get(address, follow=True).content.decode()
    assert actions()[-1] == "site:password:chosen"
    stella = again(small.stella)
    assert stella.check_password("a-heron-by-the-lake")
    assert stella.is_suspended
    shown = entered(stella).get("/").content.decode()
    assert "You decide nothing until" in shown
    assert f"/requests/{request.pk}/" not in shown, "nothing waits for somebody who may not decide"
    with pytest.raises(PermissionDenied):
        small.vote(request, stella)
    User.objects.filter(pk=stella.pk).update(suspended_until=timezone.now() - timedelta(seconds=1))
    small.vote(request, again(stella))
    assert policies.votes(request, Gate.MEASURE).count() == 1


def test_a_reset_ends_what_another_may_have_set_up(small: request_site.Site, settings: Any) -> None:
    """An account at a provider to sign in with, and a place where notices go; the log tells how many there were."""
    settings.WEBHOOK_HOSTS = ["hooks.example.org"]
    webhooks.add(by=small.stella, url="https://hooks.example.org/in")
    SocialAccount.objects.create(user=small.stella, provider="openid_connect", uid="thief")
    reset(small, small.stella)
    assert not SocialAccount.objects.filter(user=small.stella).exists()
    assert not small.stella.webhooks.filter(ended_at=None).exists()
    told = json.loads(bytes(LogEntry.objects.get(action="site:password:reset").leaf))["facts"]
    assert (told["unlinked"], told["webhooks_ended"]) == (1, 1)
    assert LogEntry.objects.get(action="site:webhook:ended").by == "user:olivia"


def test_a_reset_takes_back_no_vote_cast_before(small: request_site.Site) -> None:
    request = small.submitted()
    small.vote(request, small.stella)
    reset(small, small.stella)
    small.vote(request, small.stefan)
    assert SynthesisRequest.objects.get().state == RequestState.APPROVED


def test_whoever_is_suspended_confirms_nothing_either(small: request_site.Site) -> None:
    second, nina = privacy_site.person("odo", "owner"), privacy_site.person("nina")
    raised = caps.propose_raise(
        by=small.owner, population=small.dataset.population, rho=Decimal(4), reason="More requests."
    )
    reset(small, second)
    change = proposed(small, nina)
    with pytest.raises(PermissionDenied):
        changes.confirm(by=again(second), change=change)
    with pytest.raises(PermissionDenied, match="second data owner"):
        caps.confirm_raise(by=again(second), proposal=raised)


def test_an_owner_who_becomes_a_steward_never_votes_on_a_dataset_of_their_own(small: request_site.Site) -> None:
    request = small.submitted()
    services.take_away_role(by=small.ada, user=small.owner, role="owner", reason="Another office.")
    odo = privacy_site.person("odo", "owner")
    changes.confirm(by=odo, change=proposed(small, small.owner))
    seen = policies.content_hash(request, Gate.MEASURE)
    with pytest.raises(PermissionDenied, match="datasets they do not own"):
        vote(
            by=again(small.owner), request=request, gate=Gate.MEASURE,
            decision=Decision.APPROVE, comment="", seen_hash=seen,
        )  # fmt: skip
