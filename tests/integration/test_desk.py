"""The auditor's desk: statement, ledger, duties and access, each against what was really done."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import events, prompts, rendering
from audit.models import LogEntry, PromptFigures, PromptRecord
from audit.segments import DPValue
from llmsynthor_site import services
from llmsynthor_site.desk import access, duties, exposure
from llmsynthor_site.desk import conflicts as condition
from llmsynthor_site.models import RoleGrant
from privacy import selectors
from privacy.models import LedgerEntry
from synthesis import delivery
from synthesis.models import Receipt, SynthesisRequest, Vote
from synthesis.states import Gate
from tests import privacy_site, request_site
from tests.append_only import triggers_lifted
from tests.audit_story import PROMPT

pytestmark = pytest.mark.django_db(databases=["default", "log"])
whole_way = pytest.mark.django_db(transaction=True, databases=["default", "log"])
PAGES = ("/desk/", "/desk/exposure/", "/desk/exposure/statement/", "/desk/ledger/", "/desk/duties/",
         "/desk/duties/count/", "/desk/duties/?only=conflicts", "/desk/access/", "/desk/access/grants/",
         "/desk/lineage/", "/desk/access/people/", "/log/", "/log/check/", "/log/entries/3/")  # fmt: skip

WHO_IS_LOOKING = 4
"""Queries of every page: the session, the person, their roles, how many notices they have not read."""


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


@pytest.fixture
def door(site: Any) -> Iterator[Any]:
    with request_site.open_door() as opened:
        yield opened


def download(site: request_site.Site, *, file: str = "manifest.json") -> Receipt:
    grant = site.rosa.grants.latest("pk")
    delivery.accept_licence(by=site.rosa, grant=grant, version="1")
    _, receipt = delivery.redeem(by=site.rosa, token=delivery.make_link(by=site.rosa, grant=grant, file_name=file))
    return receipt


def amir(site: request_site.Site) -> Client:
    client = Client()
    client.force_login(site.amir)
    return client


@whole_way
def test_the_statement_is_what_the_recorded_bodies_say(small: request_site.Site, door: Any) -> None:
    """Every figure again from the bytes that were sent, the answers, and the ledger."""
    request, other = small.synthesised(), small.synthesised(title="Another", epsilon=Decimal(3))
    made = exposure.statement(exposure.Scope(dataset=small.dataset))
    rows = list(PromptRecord.objects.all())
    told = [prompts.load_prompt(row) for row in rows]
    segments = [segment for one in told for message in one.messages for segment in message.segments]
    assert made["calls"]["sent"] == len(rows) == made["calls"]["answered"]
    assert made["bytes"]["total"] == sum(len(prompts.load_body(row)) for row in rows)
    assert made["bytes"]["answers"] == sum(len(prompts.answer(row.intent_id)) for row in rows)
    for kind in ("TEMPLATE", "DECLARED", "DPVALUE", "SYNTHETIC"):
        texts = [rendering.text_of(one) for one in segments if one.type == kind]
        assert made["bytes"][kind.lower()] == len("".join(texts).encode()) > 0
    cells = {(one.measurement, one.cell) for one in segments if isinstance(one, DPValue)}
    assert made["released_values"] == len(cells)
    charges = LedgerEntry.objects.filter(pk__in={int(measurement) for measurement, _ in cells})
    (loss,) = made["rho"]
    assert Decimal(loss["rho"]) == sum(one.rho for one in charges)
    whole = {one.reservation_id: selectors.charged(one.reservation.release) for one in charges}
    assert Decimal(loss["releases_rho"]) == sum(whole.values()) > Decimal(loss["rho"])
    assert {line["request"] for line in made["by_request"]} == {str(request.pk), str(other.pk)}
    assert amir(small).get(f"/desk/runs/{request.run.pk}/")["Location"] == request.get_absolute_url()
    assert amir(small).get(f"/desk/runs/{request.pk}/").status_code == 404


def call(run: str, state: str, *, sequence: int = 1, endpoint: str = "e") -> PromptRecord:
    row = prompts.record_intent(run=run, sequence=sequence, attempt=1, endpoint=endpoint, prompt=PROMPT, by="system")
    PromptRecord.objects.filter(pk=row.pk).update(state=state)
    return row


def test_what_may_have_arrived_counts_as_seen_and_what_never_left_does_not() -> None:
    for number, state in enumerate(("in_doubt", "failed", "sending", "lapsed", "intent")):
        call("u1", state, sequence=number)
    made = exposure.statement(exposure.Scope())
    assert made["calls"] == {"sent": 3, "answered": 0, "failed": 1, "sending": 1, "in doubt": 1,
                             "recorded, never sent": 2}  # fmt: skip
    assert made["bytes"]["total"] == 3 * len(rendering.render(PROMPT))
    assert [one["sequence"] for one in made["in_doubt"]] == ["0.1"]
    assert made["released_values"] == 1, "the same cell three times is one value"


def test_the_statement_keeps_to_its_endpoint_and_period() -> None:
    call("u1", "answered", endpoint="north")
    call("u2", "answered", endpoint="south")
    tomorrow, yesterday = timezone.now() + timedelta(days=1), timezone.now() - timedelta(days=1)

    def calls(**scope: Any) -> int:
        return int(exposure.statement(exposure.Scope(**scope))["calls"]["sent"])

    assert calls() == 2
    assert calls(endpoint="north") == calls(endpoint="south") == 1
    assert calls(endpoint="east") == calls(since=tomorrow) == calls(until=yesterday) == 0
    assert calls(since=yesterday, until=tomorrow) == 2


def test_a_statement_with_a_filter_that_cannot_be_read_is_not_made(small: request_site.Site) -> None:
    call("u1", "answered")
    shown = amir(small).get("/desk/exposure/?endpoint=elsewhere").content.decode()
    assert "no statement is made" in shown
    assert "Bytes sent" not in shown
    assert amir(small).get("/desk/exposure/statement/?endpoint=elsewhere").status_code == 302
    refused = amir(small).post("/desk/exposure/export/?since=someday", {"reason": "a yearly review"})
    assert refused.status_code == 422
    assert not LogEntry.objects.filter(action="audit:statement_export:made").exists()


def test_the_statement_as_a_file_is_logged_with_its_reason(small: request_site.Site) -> None:
    call("u1", "answered")
    answer = amir(small).post("/desk/exposure/export/?endpoint=e", {"reason": "a yearly review"})
    assert json.loads(answer.getvalue())["scope"] == {"endpoint": "e"}
    made = LogEntry.objects.get(action="audit:statement_export:made")
    assert made.by == "user:amir"
    assert b"a yearly review" in bytes(made.leaf)


@whole_way
def test_the_ledger_names_request_mechanism_and_approvers(small: request_site.Site, door: Any) -> None:
    request = small.measured()
    shown = amir(small).get("/desk/ledger/?kind=COMMIT").content.decode()
    for words in (request.title, "discrete gaussian", "user:stella", "user:stefan"):
        assert words in shown
    budget = selectors.budget(small.dataset.population_id)
    standing = amir(small).get("/desk/ledger/").context["standings"][0].budget
    assert standing == budget
    taken = amir(small).post("/desk/ledger/export/", {"reason": "a yearly review", "form": "csv"})
    rows = list(csv.DictReader(io.StringIO(taken.getvalue().decode())))
    assert sum(Decimal(row["rho"]) for row in rows if row["kind"] in ("COMMIT", "FORFEIT")) == budget.spent
    assert {row["approved_by"] for row in rows if row["request"]} == {'["user:stella", "user:stefan"]'}
    assert LogEntry.objects.filter(action="privacy:ledger_export:made", by="user:amir").count() == 1
    charge = LedgerEntry.objects.filter(kind="COMMIT").earliest("pk")
    statistic = amir(small).get(f"/statistics/{charge.pk}/").content.decode()
    assert "stella, to be measured" in statistic


def reported(**options: Any) -> list[duties.Line]:
    lines = duties.report(**options)
    duties.compare_with_log(lines)
    return lines


@whole_way
def test_duties_kept_apart_raise_nothing_and_downloads_are_listed(small: request_site.Site, door: Any) -> None:
    small.released()
    receipt = download(small)
    (line,) = reported()
    assert line.conflicts == []
    assert [(gate, [one["vote"].voter.username for one in votes]) for gate, votes in line.gates] == [
        ("Gate A: measure", ["stella", "stefan"]), ("Gate B: egress", ["stella"]),
        ("Gate C: output", ["stella", "stefan"]),
    ]  # fmt: skip
    assert line.downloaders == [(small.rosa, 1)]
    assert [one.request for one in reported(person="stefan")] == [line.request]
    assert reported(person="ada") == []
    who_took_what(small, receipt)


def who_took_what(small: request_site.Site, receipt: Receipt) -> None:
    shown = amir(small).get("/desk/access/?person=rosa").content.decode()
    assert receipt.file_hash[:16] in shown
    assert "No download fits" in amir(small).get("/desk/access/?person=stella").content.decode()
    grants = amir(small).get("/desk/access/grants/")
    assert [one.user for one in grants.context["page"].rows] == [small.rosa]
    small.rosa.grants.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "Nobody holds a grant" in amir(small).get("/desk/access/grants/").content.decode()


def past_the_rules(vote: Vote, **changes: Any) -> None:
    """As somebody with the database's own password could, without the site."""
    Vote.objects.filter(pk=vote.pk).update(**changes)


@whole_way
def test_each_planted_conflict_is_named(small: request_site.Site, door: Any) -> None:
    request = small.released()
    receipt = download(small)
    votes = list(Vote.objects.filter(request=request, gate=Gate.OUTPUT).order_by("pk"))

    def conflicts() -> str:
        """What the page says, and that the database's own condition says so too, of all but what the log tells."""
        [line] = reported()
        own = [one for one in line.conflicts if "stands in the" not in one]
        assert condition.among(duties.found()).count() == bool(own), own
        return "; ".join(line.conflicts)

    past_the_rules(votes[0], voter=small.owner)
    found = conflicts()
    assert "olivia owns the dataset and voted on it" in found
    assert "olivia voted and does not hold the role steward today" in found
    assert "a vote of user:olivia at gate output in round 1 (approve) stands in the table, not in the log" in found
    assert "a vote of user:stella at gate output in round 1 (approve) stands in the log, not in the table" in found
    Vote.objects.filter(pk=votes[0].pk).update(voter=small.stella, decision="reject")
    assert "(reject) stands in the table, not in the log" in conflicts()
    assert "stands in the table, not in the log" in amir(small).get("/desk/duties/").content.decode()
    Vote.objects.filter(pk=votes[0].pk).update(decision="approve")
    assert conflicts() == ""
    Receipt.objects.filter(pk=receipt.pk).update(user=small.stefan)
    assert "stefan voted on it and downloaded it; stefan downloaded it and had not asked for it" in conflicts()
    assert "1 of 1 request with a conflict" in amir(small).get("/desk/duties/count/").content.decode()
    Receipt.objects.filter(pk=receipt.pk).update(user=small.rosa)
    RoleGrant.objects.filter(user=small.stefan).update(granted_at=timezone.now() + timedelta(hours=1))
    assert "stefan voted before the role steward was granted" in conflicts()
    RoleGrant.objects.filter(user=small.stefan).update(granted_at=timezone.now() - timedelta(hours=1))
    SynthesisRequest.objects.update(requester=small.owner)
    assert "olivia owns the dataset and asked for it" in conflicts()
    assert "olivia asked and does not hold the role researcher today" in conflicts()
    shown = amir(small).get("/desk/duties/?only=conflicts").content.decode()
    assert "olivia owns the dataset and asked for it" in shown.replace("Olivia", "olivia")


@whole_way
def test_a_vote_cast_while_the_role_was_held_stays_in_order_when_it_is_taken_away(small: request_site.Site) -> None:
    small.vote(small.submitted(), small.stefan)
    services.take_away_role(by=small.ada, user=small.stefan, role="steward", reason="Left the office.")
    [line] = duties.report()
    assert line.conflicts == []
    RoleGrant.objects.filter(user=small.stefan).update(ended_at=timezone.now() - timedelta(hours=1))
    assert "stefan voted after the role steward was taken away" in list(duties.conflicts(line, duties.held_since()))


def test_a_vote_of_the_requester_is_named_though_the_database_refuses_it(small: request_site.Site) -> None:
    request = small.submitted()
    vote = small.vote(request, small.stella)
    vote.voter = small.rosa  # no row can say so: a constraint of the database refuses it
    line = duties.Line(request, votes=[vote])
    assert "rosa asked for it and voted on it" in list(duties.conflicts(line, duties.held_since()))


@whole_way
def test_how_somebody_voted_stays_hidden_while_the_gate_is_open(small: request_site.Site) -> None:
    request = small.submitted()
    small.vote(request, small.stella)
    shown = " ".join(amir(small).get("/desk/duties/").content.decode().split())
    assert "voted, still blind" in shown
    assert "(approve" not in shown
    past_the_rules(Vote.objects.get(), voter=small.owner)
    moved = amir(small).get("/desk/duties/").content.decode()
    assert "A vote of user:stella at gate measure in round 1 stands in the log, not in the table" in moved
    assert "(approve" not in moved
    past_the_rules(Vote.objects.get(), voter=small.stella)
    small.vote(request, small.stefan)
    assert "(approve" in amir(small).get("/desk/duties/").content.decode()


@whole_way
def test_people_with_their_roles_and_the_last_thing_they_did(small: request_site.Site) -> None:
    small.submitted()
    with triggers_lifted(connection):  # beside every rule
        RoleGrant.objects.create(user=small.ada, role="steward")
    people = {one.user.username: one for one in access.with_activity(list(access.people()))}
    newest = LogEntry.objects.filter(by="user:rosa").latest("index")
    assert people["rosa"].entry == newest.index
    assert people["rosa"].at == newest.at
    assert people["stella"].entry is None
    assert people["ada"].clash == "Administrator and Data steward"
    assert "May not be held together" in amir(small).get("/desk/access/people/").content.decode()


def test_the_desk_asks_no_more_of_the_databases_when_there_is_more_to_show(small: request_site.Site) -> None:
    """At most twelve queries a page beside session, person and roles, and as many with one request as with many."""

    def queries() -> dict[str, int]:
        found, client = {}, amir(small)
        for page in PAGES:
            with CaptureQueriesContext(connection) as one, CaptureQueriesContext(connections["log"]) as two:
                assert client.get(page).status_code == 200, page
            found[page] = len(one) + len(two)
        return found

    fill(small, 1)
    few = queries()
    fill(small, 8)
    assert queries() == few
    assert max(few.values()) - WHO_IS_LOOKING <= 12, few


def fill(site: request_site.Site, number: int) -> None:
    """Requests with votes, calls, charges, receipts and people, as many as asked for."""
    for at in range(number):
        request = site.submitted(title=f"T{at}", epsilon=Decimal("0.1"))
        for steward in (site.stella, site.stefan):
            site.vote(request, steward)
        call(str(request.pk), "in_doubt")
        privacy_site.person(f"p{LogEntry.objects.count()}", "researcher")
    events.flush()
    assert PromptFigures.objects.count() >= number
