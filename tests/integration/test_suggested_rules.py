"""Rules that a model suggests: read strictly, decided on by a steward alone, and kept by every record once accepted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.models import LogEntry
from llmsynthor_site import joining
from synthesis import packaging, policies, running, services, structuring, suggestions
from synthesis.hashing import hash_of
from synthesis.models import Run, SuggestedRule, SynthesisRequest
from synthesis.states import Gate, Proposer
from synthesis.states import RequestState as S
from synthesis.transitions import NotNow
from tests import privacy_site, request_site
from tests.fakes import structures
from tests.fakes.behaviours import BAD, first_cells
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.structures import rule
from tests.model_site import listed, replayed, whole
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
Decision = SuggestedRule.Decision

WOMEN = 'c01 == "f" implies c03 < 50'
OLD = "c02 >= 50 implies not c03 >= 50"
TOLD = [rule(WOMEN, "As the payroll knows.\u202e"), rule("not (`c02` is null)", "x"), rule(OLD)]


@pytest.fixture
def house() -> Site:
    made = request_site.make()
    made.dataset = privacy_site.dataset(made.owner, content=request_site.table(), title="Told", publicLabels=True)
    return made


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(suggesting(*TOLD)) as found, open_door():
        yield found


def suggesting(*rules: dict[str, Any]) -> Any:
    return structures.answering(lambda columns: structures.saying([], list(rules)))(first_cells)


def asked(house: Site, server: OpenAIServer) -> SynthesisRequest:
    """Through gate A, with the question asked and answered."""
    request = house.submitted(proposer=Proposer.OPENAI, endpoint=listed(server), structuring=True)
    for steward in (house.stella, house.stefan):
        house.vote(request, steward)
    structuring.carry_out(str(request.pk))
    return SynthesisRequest.objects.get(pk=request.pk)


def measured(house: Site, server: OpenAIServer) -> SynthesisRequest:
    request = asked(house, server)
    joining.measure(str(request.pk))
    return SynthesisRequest.objects.get(pk=request.pk)


def synthesised(house: Site, request: SynthesisRequest) -> SynthesisRequest:
    request = SynthesisRequest.objects.get(pk=request.pk)
    for steward in (house.stella, house.stefan)[: policies.votes_needed(request, Gate.EGRESS)]:
        house.vote(request, steward, Gate.EGRESS)
    running.synthesise(str(request.pk))
    return SynthesisRequest.objects.get(pk=request.pk)


def decide(house: Site, request: SynthesisRequest, number: int, decision: Decision = Decision.ACCEPT) -> SuggestedRule:
    return suggestions.decide(by=house.stella, request=request, number=number, decision=decision, comment="I know.")


def test_suggestions_wait_under_the_columns_own_names(house: Site, server: OpenAIServer) -> None:
    request = asked(house, server)
    kept = list(request.suggested_rules.values_list("number", "rule", "reason", "decision"))
    assert kept == [
        (1, 'sex == "f" implies pay < 50', "As the payroll knows.", ""),
        (2, "not (age is null)", "x", ""),
        (3, "age >= 50 implies not pay >= 50", "By definition.", ""),
    ]
    told = json.loads(bytes(LogEntry.objects.get(action="synthesis:run:structured").leaf))["facts"]
    assert told["rules"] == 3
    assert told["rules_sha256"] == hash_of([[one[1], one[2]] for one in kept])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("c09 is null", "no measured column"),
        ("height > 3", "no measured column"),
        ("c01 ==", "a value is expected"),
        ("__import__('os').system('id')", "no measured column"),
        ('c01 = "f"', "does not belong here"),
        ('c01 == "x"', ""),
        ("c03 is null", "never missing"),
        ('c01 in ["f", "m"]', "forbids nothing"),
        ("c03 < 0", ""),
        ("c03 < 12", ""),
        ("c01 == c01", "compared with itself"),
        ("(" * 30 + "c02 is null" + ")" * 30, "deep"),
        ("c02 is null implies c02 is not null implies c02 is null", "brackets around"),
    ],
)
def test_what_can_be_no_rule_of_the_table_is_dropped_and_counted(
    house: Site, server: OpenAIServer, text: str, problem: str
) -> None:
    server.behaviour = suggesting(rule(text), rule(text + " "), rule(WOMEN))
    request = asked(house, server)
    assert [one.rule for one in request.suggested_rules.all()] == ['sex == "f" implies pay < 50']
    told = [reason for reason in request.run.inference.rejected if reason.startswith("a rule: ")]
    assert len(told) == 1
    assert told[0].endswith("(2)"), told
    assert problem in told[0]


def test_a_suggestion_that_contradicts_a_declared_rule_or_repeats_one_is_dropped(
    house: Site, server: OpenAIServer
) -> None:
    rules = [{"rule": "pay < 10"}]
    house.dataset = privacy_site.dataset(house.owner, title="Ruled", publicLabels=True, rules=rules,
                                         content=request_site.table(1998))  # fmt: skip
    server.behaviour = suggesting(rule("c03 >= 50"), rule("c03 < 10"), rule(OLD))
    request = asked(house, server)
    assert [one.rule for one in request.suggested_rules.all()] == ["age >= 50 implies not pay >= 50"]
    told = " ".join(request.run.inference.rejected)
    assert "contradicts" in told
    assert "there already" in told


def test_an_accepted_rule_is_in_the_manifest_and_kept_by_every_record(
    house: Site, server: OpenAIServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = measured(house, server)
    before = request.manifest.content_hash
    assert request.manifest.body["accepted_rules"] == []
    decide(house, request, 1)
    decide(house, request, 2, Decision.REJECT)
    request = SynthesisRequest.objects.get()
    accepted = request.manifest.body["accepted_rules"]
    assert [one["rule"] for one in accepted] == ['sex == "f" implies pay < 50']
    assert "accepted by a steward" in accepted[0]["reason"]
    assert request.manifest.content_hash == hash_of(request.manifest.body) != before
    request = synthesised(house, request)
    assert request.state == S.CHECKING, request.note
    table = pd.read_csv(packaging.package_folder(str(request.run.package.pk)) / "data.csv")
    assert len(table) == request.rows
    assert not ((table["sex"] == "f") & (table["pay"] >= 50)).any()
    assert ((table["age"] >= 50) & (table["pay"] >= 50)).any(), "nobody decided on this rule, and it was kept"
    assert [(one["rule"], one["violations"]) for one in request.run.report["rules"]] == [(accepted[0]["rule"], 0)]
    assert request.run.package.manifest["rules"] == [accepted[0]["rule"]]
    whole(request, tmp_path, capsys)
    assert replayed(request, capsys)["verdict"] == "equal"


def test_without_a_decision_the_run_goes_on_without_any(house: Site, server: OpenAIServer) -> None:
    request = synthesised(house, measured(house, server))
    assert request.state == S.CHECKING
    assert request.run.settings["rules"] == []
    assert request.run.report["rules"] == []


def test_the_first_vote_at_gate_b_closes_the_rules(house: Site, server: OpenAIServer) -> None:
    request = measured(house, server)
    type(request.manifest).objects.update(body=request.manifest.body | {"local": False})
    house.vote(request, house.stefan, Gate.EGRESS)
    with pytest.raises(PermissionDenied, match="nobody has voted"):
        decide(house, request, 1)
    assert not suggestions.waiting_for(house.stella).exists()


def test_a_decision_makes_an_older_view_of_gate_b_void(house: Site, server: OpenAIServer) -> None:
    request = measured(house, server)
    seen = request.manifest.content_hash
    decide(house, request, 1)
    with pytest.raises(ValidationError, match="changed since"):
        services.vote(
            by=house.stefan, request=request, gate=Gate.EGRESS, decision="approve", comment="", seen_hash=seen
        )


def test_who_decides_and_when(house: Site, server: OpenAIServer) -> None:
    request = asked(house, server)
    with pytest.raises(NotNow):
        decide(house, request, 1)
    joining.measure(str(request.pk))
    request = SynthesisRequest.objects.get()
    for person in (house.rosa, house.owner, house.amir, house.ada):
        with pytest.raises(PermissionDenied):
            suggestions.decide(by=person, request=request, number=1, decision=Decision.ACCEPT, comment="x")
    with pytest.raises(ValidationError, match="Say why"):
        suggestions.decide(by=house.stella, request=request, number=1, decision=Decision.ACCEPT, comment=" ")
    decide(house, request, 1)
    with pytest.raises(NotNow, match="meanwhile"):
        decide(house, request, 1, Decision.REJECT)
    house.rosa.role_grants.update(role="steward")
    rosa = type(house.rosa).objects.get(pk=house.rosa.pk)
    with pytest.raises(PermissionDenied):
        suggestions.decide(by=rosa, request=request, number=2, decision=Decision.ACCEPT, comment="x")


def test_the_database_itself_refuses_ones_own_rule(house: Site, server: OpenAIServer) -> None:
    asked(house, server)
    made = {"decision": "accept", "decided_by": house.rosa, "decided_at": timezone.now()}
    with pytest.raises(IntegrityError, match="nobody_accepts_for_themselves"), transaction.atomic():
        SuggestedRule.objects.filter(number=1).update(**made)
    with pytest.raises(IntegrityError, match="a_decision_has_its_person"), transaction.atomic():
        SuggestedRule.objects.filter(number=1).update(decision="accept")


def test_rules_that_cannot_stand_together_are_refused_when_the_second_is_accepted(
    house: Site, server: OpenAIServer
) -> None:
    server.behaviour = suggesting(rule("c03 < 10"), rule("c03 >= 50"))
    request = measured(house, server)
    decide(house, request, 1)
    with pytest.raises(ValidationError, match="No record could keep it"):
        decide(house, request, 2)
    assert suggestions.undecided(request).count() == 1


def test_a_decision_is_in_the_log(house: Site, server: OpenAIServer) -> None:
    from audit import events

    request = measured(house, server)
    decided = decide(house, request, 1)
    events.flush()
    facts = json.loads(bytes(LogEntry.objects.get(action="synthesis:request:rule_decided").leaf))["facts"]
    assert (facts["rule"], facts["decision"]) == (1, "accept")
    assert facts["rule_sha256"] == hash_of([decided.rule, decided.reason])
    assert facts["comment_sha256"] == hash_of("I know.")


def test_rules_changed_in_the_database_are_found_by_replay(
    house: Site, server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    request = synthesised(house, measured(house, server))
    SuggestedRule.objects.filter(number=2).update(rule="age is null")
    told = replayed(request, capsys)
    assert told["verdict"] == "differs"
    assert {one["what"] for one in told["differences"]} == {"the suggested rules", "the rules of the recorded answer"}


def test_no_kind_of_bad_answer_leaves_more_than_suggestions(house: Site, server: OpenAIServer, settings: Any) -> None:
    settings.CALL_RETRY_SECONDS = 0
    endpoint = listed(server)
    for name in ("malicious", "random", "giving-orders", "wrong-types", "wrong-codes", "thousands"):
        server.behaviour = BAD[name]
        request = house.submitted(proposer=Proposer.OPENAI, endpoint=endpoint, structuring=True)
        for steward in (house.stella, house.stefan):
            house.vote(request, steward)
        structuring.carry_out(str(request.pk))
        assert request.suggested_rules.count() <= 10, name
        assert set(request.suggested_rules.values_list("decision", flat=True)) <= {""}, name
    assert not Run.objects.exclude(settings={}).exists()
