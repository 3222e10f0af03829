"""What stewards are told about a request's kind of use and the codes of the dataset."""

from __future__ import annotations

from itertools import product

import pytest

from privacy.duo_advice import IN_WORDS, PERMITTED, SHUT_OUT, TO_ASK, advise
from privacy.schema_uses import KNOWN, MODIFIERS, PERMISSIONS
from synthesis.states import Use, UseBy

CODES = {name: code for code, (name, _) in KNOWN.items()}
CASES = [
    # codes, use, by whom, verdict
    ("NRES", "", "", "match"),
    ("NRES", "other", "commercial", "match"),
    ("GRU", "research", "neither", "match"),
    ("GRU", "other", "neither", "no match"),
    ("GRU", "", "neither", "needs a person"),
    ("HMB", "health", "neither", "match"),
    ("HMB", "origins", "neither", "no match"),
    ("HMB", "methods", "neither", "needs a person"),
    ("DS", "disease", "neither", "needs a person"),
    ("DS", "research", "neither", "no match"),
    ("DS HMB", "disease", "neither", "match"),
    ("POA", "origins", "neither", "match"),
    ("POA", "health", "neither", "no match"),
    ("GRU NPOA", "origins", "neither", "no match"),
    ("GRU NMDS", "methods", "neither", "no match"),
    ("GRU NCU", "research", "company", "match"),
    ("GRU NCU", "research", "commercial", "no match"),
    ("GRU NPU", "research", "company", "no match"),
    ("GRU NPUNCU", "research", "", "needs a person"),
    ("GRU CC", "clinical", "neither", "match"),
    ("GRU IRB", "research", "neither", "needs a person"),
    ("GRU IRB NCU", "research", "commercial", "no match"),
    ("", "research", "neither", "needs a person"),
]


@pytest.mark.parametrize(("names", "use", "by", "verdict"), CASES)
def test_the_table_of_advice(names: str, use: str, by: str, verdict: str) -> None:
    told = advise([CODES[name] for name in names.split()], use, by)
    assert told.verdict == verdict
    assert bool(told.reasons) == (verdict != "match")


def test_every_code_has_its_place_in_the_table() -> None:
    assert {name for name, _ in PERMISSIONS.values()} <= set(PERMITTED)
    assert {name for name, _ in MODIFIERS.values()} == set(SHUT_OUT) | (set(TO_ASK) - {"DS"}) | {"CC"}


def test_every_kind_of_use_meets_every_code_and_gets_advice() -> None:
    for code, use, by in product(KNOWN, ["", *Use.values], ["", *UseBy.values]):
        assert advise(["DUO:0000004", code], use, by).in_words in IN_WORDS.values()
