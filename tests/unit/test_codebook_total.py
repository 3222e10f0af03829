"""Whatever words, tables or JSON come in: a draft that can be written down, or a refusal by rule; nothing else."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from privacy.codebook import Answers, CodebookRefused, Draft, draft_from, propose
from tests.codebooks import REDCAP_HEADINGS, csv_of

text = st.text(max_size=30)
said = st.one_of(
    text,
    st.sampled_from([
        "1 = a; 1 = b", "a|b||", ",,,", "=", "from 9 to 1", "0 to 1e400", "-5 to 5 with 3 decimals", "one of:",
        "one of a, a", "one of: 1, 2", "choices: x or y, others are z", "yes or no", "0/1", "date",
        "2020-02-30 to 2021-01-01",
        "number up to", "1e9999", "NaN", "int", "text", "id", "99999999999999999999999", "\ud800", "never missing",
    ]),
)  # fmt: skip
cell = said.map(lambda words: words.encode("utf-8", "ignore").decode().replace("\0", ""))
leaf = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), said)
anything = st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3))
KEYS = ["type", "title", "description", "format", "constraints", "categories", "trueValues", "falseValues", "enum"]
constraint = st.dictionaries(
    st.sampled_from(["required", "enum", "minimum", "maximum", "pattern"]), anything, max_size=4
)
kinds = st.sampled_from(["string", "integer", "number", "boolean", "date", "datetime", "time", "year", "any"])


def whole(draft: Draft) -> None:
    """It can be written to a file, and what is open is told by rules."""
    assert json.loads(draft.text.encode())["fields"]
    told = json.dumps(draft.to_json())
    assert told
    assert all(problem.rule for problem in (*draft.still_to_declare, *draft.notes))


def told(refused: CodebookRefused) -> None:
    assert all(problem.rule for problem in refused.problems)
    assert refused.problems


QUESTIONS = ["title", "population", "max_rows", "no_identifier", "epsilon", "delta", "purposes", "missing"]


@settings(max_examples=150, deadline=None)
@given(words=st.lists(said, min_size=2, max_size=2), answers=st.dictionaries(st.sampled_from(QUESTIONS), said))
def test_any_words(words: list[str], answers: dict[str, str]) -> None:
    values = {**answers, "identifier": "who", "columns": dict(zip(["x", "age"], words, strict=True))}
    whole(propose(Answers.from_json(values), "who,x,age"))


@settings(max_examples=150, deadline=None)
@given(header=st.one_of(text, st.lists(text, max_size=6).map(",".join)))
def test_any_header(header: str) -> None:
    try:
        whole(propose(Answers(), header))
    except CodebookRefused as refused:
        told(refused)


HEADINGS = ["name", "label", "type", "values", "min", "max", "range", "decimals", "required", "missing"]


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.lists(cell, min_size=10, max_size=13), min_size=1, max_size=4), redcap=st.booleans())
def test_any_cells(rows: list[list[str]], redcap: bool) -> None:
    kinds = ["radio", "checkbox", "text", "yesno", "slider", "calc"]
    named = [[f"v{place}", *row[1:]] for place, row in enumerate(rows)]
    if redcap:
        named = [[*row[:3], kinds[place % len(kinds)], *row[4:]] for place, row in enumerate(named)]
    try:
        whole(draft_from(csv_of([REDCAP_HEADINGS if redcap else HEADINGS, *named])))
    except CodebookRefused as refused:
        told(refused)


@settings(max_examples=200, deadline=None)
@given(
    fields=st.lists(st.dictionaries(st.sampled_from(KEYS), anything), max_size=3),
    shaped=st.lists(st.tuples(kinds, constraint), max_size=2),
    around=st.dictionaries(st.sampled_from(["title", "missingValues", "primaryKey"]), anything),
)
@example(fields=[{"type": "boolean", "trueValues": [1.5]}], shaped=[], around={})
def test_any_table_schema(fields: list[dict[str, Any]], shaped: list[Any], around: dict[str, Any]) -> None:
    made = [{"name": f"v{place}", **field} for place, field in enumerate(fields)]
    made += [{"name": f"w{place}", "type": kind, "constraints": found} for place, (kind, found) in enumerate(shaped)]
    try:
        whole(draft_from(json.dumps({**around, "fields": made}).encode()))
    except CodebookRefused as refused:
        told(refused)
