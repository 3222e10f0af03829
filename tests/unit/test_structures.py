"""The question about a table's columns: its text, what is read of an answer, and what a hint is worth in a plan."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from audit.rendering import render
from audit.segments import Declared, FreeText, Template
from privacy import hints
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.dp.execution import execute
from privacy.plans import MeasurementPlan, adaptive_default
from privacy.values import Candidate, Clique, Domain, IntArray, NoisyMarginal, PrivacyUnit
from synthesis.llm import structures
from synthesis.llm.answers import Rejected
from synthesis.manners import EMBEDDED, Manner
from synthesis.prompts import TooLong
from synthesis.structure_prompts import Question
from tests.fakes.protocol import completion

NAMES = ("sex", "age", "pay", "town")
DOMAIN = Domain(NAMES, (2, 5, 4, 3))


@dataclass(frozen=True)
class Column:
    name: str
    kind: str
    labels: tuple[str, ...]
    public: bool


COLUMNS = (
    Column("sex", "string", ("f", "m"), True),
    Column("age", "integer", ("0 to 17", "18 and over"), False),
    Column("town", "string", tuple(f'town "{n}"\u202e' for n in range(100)), True),
)


def asked(**changes: Any) -> Question:
    return replace(Question(COLUMNS, "dataset:d", "m-1", EMBEDDED), **changes)


def guidance(question: Question) -> dict[str, Any]:
    return dict(json.loads(json.loads(render(question.prompt()))["messages"][-1]["content"]))


def test_names_and_labels_are_told_where_they_are_public_and_nothing_else() -> None:
    told = guidance(asked())["columns"]
    assert told[0] == {"name": "c01", "kind": "string", "label": "sex", "labels": ["f", "m"]}
    assert told[1] == {"name": "c02", "kind": "integer"}
    assert told[2]["labels"][7] == 'town "7"'
    segments = [part for message in asked(about="x", approval="a").prompt().messages for part in message.segments]
    assert {type(part) for part in segments} == {Template, Declared, FreeText}


def test_a_prompt_gives_up_long_lists_of_labels_first_then_all_and_then_itself() -> None:
    whole = len(render(asked().prompt()))
    short = guidance(asked(manner=Manner(room=whole - 1)))["columns"]
    assert ("labels" in short[0], "labels" in short[2]) == (True, False)
    bare = len(render(asked().told(0)))
    assert "labels" not in guidance(asked(manner=Manner(room=bare)))["columns"][0]
    with pytest.raises(TooLong):
        asked(manner=Manner(room=bare - 1)).prompt()


def test_the_form_is_in_the_portable_subset_and_left_out_where_it_is_refused() -> None:
    schema = json.loads(render(asked().prompt()))["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["dependencies"]["items"]["properties"]["columns"]["items"]["enum"] == [
        "c01", "c02", "c03",
    ]  # fmt: skip
    assert schema["additionalProperties"] is False
    assert "response_format" not in json.loads(render(asked(manner=Manner(form=False)).prompt()))


def answer(dependencies: Any, rules: Any = ()) -> structures.Structure:
    text = json.dumps({"dependencies": dependencies, "rules": list(rules)})
    return structures.parse_completion(completion(text), NAMES)


def pair(*codes: Any, **more: Any) -> dict[str, Any]:
    return {"columns": list(codes), "reason": "x", **more}


def test_pairs_and_triples_come_by_name_in_the_declarations_order_each_once() -> None:
    found = answer([pair("c03", "c01"), pair("c01", "c03"), pair("c04", "c02", "c01")])
    assert found.hints == (("sex", "pay"), ("sex", "age", "town"))
    assert found.rejected == ()


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (pair("c01"), "two or three"),
        (pair("c01", "c02", "c03", "c04"), "two or three"),
        (pair("c01", "c01"), "twice"),
        (pair("c01", "c05"), "not declared"),
        (pair("c01", 2), "not declared"),
        (pair("с01", "c02"), "not declared"),
        (pair("c01", "c02", more=1), "exactly the keys"),
        ({"columns": "c01 c02", "reason": "x"}, "two or three"),
        (pair("c01", "c02", reason=3), "exactly the keys"),
    ],
)
def test_what_is_no_dependency_is_counted_by_its_rule(bad: dict[str, Any], rule: str) -> None:
    found = answer([bad, pair("c01", "c02")])
    assert found.hints == (("sex", "age"),)
    assert len(found.rejected) == 1
    assert rule in found.rejected[0]


def test_an_answer_is_bounded_in_pairs_triples_and_rules() -> None:
    names = tuple(f"n{place}" for place in range(30))
    codes = [f"c{place:02d}" for place in range(1, 31)]
    many = [pair(a, b) for a in codes for b in codes if a < b] + [pair(*codes[at : at + 3]) for at in range(20)]
    text = json.dumps({"dependencies": many[::-1], "rules": [{"rule": f"c01 == {n}", "reason": ""} for n in range(99)]})
    found = structures.parse_completion(completion(text), names)
    assert sum(len(hint) == 3 for hint in found.hints) == structures.MOST_TRIPLES
    assert len(found.hints) <= structures.MOST_PAIRS + structures.MOST_TRIPLES <= hints.MOST_HINTS
    assert len(found.rules) == structures.MOST_RULES


def test_a_cut_off_answer_keeps_its_complete_members_and_says_so() -> None:
    text = '{"dependencies": [{"columns": ["c01", "c02"], "reason": "x"}, {"columns": ["c01", "c0'
    found = structures.parse_completion(completion(text, finish_reason="length"), NAMES)
    assert found.hints == (("sex", "age"),)
    assert found.rejected == ("the answer was cut off",)


@pytest.mark.parametrize(
    "body",
    [
        completion("no"),
        completion(None),
        completion(None, refusal="no"),
        b"{}",
        b"[",
        completion('{"dependencies": 3}'),
    ],
)
def test_an_answer_that_holds_nothing_is_rejected_whole(body: bytes) -> None:
    with pytest.raises(Rejected):
        structures.parse_completion(body, NAMES)


def test_hints_survive_json_and_older_plans_have_none() -> None:
    plan = replace(adaptive_default(DOMAIN), hints=(("sex", "age"), ("sex", "age", "pay")))
    assert MeasurementPlan.from_json(plan.to_json()) == plan
    old = {name: value for name, value in plan.to_json().items() if name != "hints"}
    assert MeasurementPlan.from_json(old).hints == ()


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ([["sex"]], "two or three"),
        ([["sex", "sex"]], "two or three"),
        ([["sex", "age"], ["age", "sex"]], "once"),
        ([["sex", 3]], "wrong kind"),
        ("sex", "wrong kind"),
        ([["a", f"b{n}"] for n in range(65)], "at most 64"),
    ],
)
def test_a_plan_with_malformed_hints_names_its_rule(wrong: object, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        MeasurementPlan.from_json(adaptive_default(DOMAIN).to_json() | {"hints": wrong})


def test_hints_must_name_declared_columns() -> None:
    with pytest.raises(ValueError, match="not declared"):
        replace(adaptive_default(DOMAIN), hints=(("sex", "height"),)).check(DOMAIN)


def test_a_hint_is_worth_a_fixed_number_of_rows_and_nothing_where_chance_is_foreseen() -> None:
    pairs = (Candidate(Clique.of("sex", "age"), 100), Candidate(Clique.of("age", "pay"), 100, chance=50),
             Candidate(Clique.of("sex", "town"), 100))  # fmt: skip
    found = hints.favoured(pairs, (("age", "sex"), ("age", "pay", "sex")), sigma=3.0)
    assert [each.penalty for each in found] == [100 - 24, 100, 100]
    assert [each.chance for each in found] == [None, 50, None]


def test_a_hint_leads_the_first_round_alone_and_changes_no_charge() -> None:
    """Nothing in the table tells one pair from another, so who leads is chance, or the hint."""
    plain, hinted = measured(()), measured((("age", "pay"),))
    assert {price for price, _ in plain} == {price for price, _ in hinted}
    wanted = frozenset(("age", "pay"))
    first = [sum(chosen[0] == wanted for _, chosen in runs) for runs in (plain, hinted)]
    assert first[0] < RUNS // 2 < first[1], first  # about a tenth, and more than eight tenths
    assert all(chosen.count(wanted) == 1 for _, chosen in hinted if chosen[0] == wanted)


RUNS = 20
Run = tuple[tuple[Decimal, float, float], list[frozenset[str]]]


def measured(told: tuple[hints.Hint, ...]) -> list[Run]:
    """What the first choice of each of some runs cost, and the pairs it chose; no column depends on another."""
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.integers(0, size, 4000) for size in DOMAIN.sizes])
    plan = replace(adaptive_default(DOMAIN), rounds=3, per_round=1, hints=told)
    found = []
    for _ in range(RUNS):
        ledger = MemoryLedger(Decimal("0.02"))
        execute(plan, counter=NumpyCounter(table, DOMAIN), charge=ledger, model=Even(), unit=PrivacyUnit(),
                rho=Decimal("0.02"))  # fmt: skip
        cliques = [step.cliques[0] for step in ledger.entries if step.kind == "table"]
        chosen = [frozenset(clique.columns) for clique in cliques if len(clique.columns) == 2]
        choice = next(step for step in ledger.entries if step.kind == "selection")
        found.append(((choice.rho, choice.scale, choice.sensitivity), chosen))
    return found


class Even:
    """A model that expects the same number of records in every cell, and learns nothing."""

    def expected(self, clique: Clique) -> IntArray:
        return np.full(clique.shape(DOMAIN), 4000 // clique.cells(DOMAIN))

    def observe(self, marginal: NoisyMarginal) -> None:
        """It is told and does not listen."""
