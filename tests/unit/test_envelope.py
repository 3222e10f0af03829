"""A call outside the approved envelope is refused, and the reason names what is foreign."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from audit.segments import Declared, DPValue, FreeText, Message, Prompt, Segment, Synthetic, Template
from privacy.values import Clique, Domain, NoisyMarginal, PrivacyUnit, Release
from synthesis import envelope

KNOWN = Template("rules", "Be good.")
PARAMETERS = Declared.of_json({"temperature": 1}, source="settings")
SCHEMA = Declared.of_json({"type": "object"}, source="dataset:1")
PROVIDER = {"endpoint": "house model", "model": "m-1", "address": "http://10.0.0.7/v1", "local": True}
MANIFEST: dict[str, Any] = {
    **PROVIDER,
    "release": "r",
    "templates": [{"name": "rules", "sha256": KNOWN.sha256}],
    "parameters_sha256": envelope.fingerprint(PARAMETERS),
    "answer_schema_sha256": envelope.fingerprint(SCHEMA),
    "statistics": [{"measurement": "17"}],
    "columns": [{"code": "c01", "values": 2}, {"code": "c02", "values": 3}],
    "declared": [{"column": "city", "labels": ["Ulm", "Bonn"]}],
    "free_text": [{"approval": "vote-3", "text": "a concert"}],
    "caps": {"calls": 3},
}
INSIDE: tuple[Segment, ...] = (
    KNOWN,
    Declared('"c01"', "dataset:1"),
    Declared('["v01", "v02", "v03"]', "dataset:1"),
    Declared('["Ulm", "Bonn"]', "dataset:1"),
    Declared('{"c01": ["v02"], "c02": ["v01", "v03"]}', "dataset:1"),
    DPValue(12, "r", "17", (0,)),
    Synthetic(5, "loop"),
    FreeText('"a concert"', "vote-3"),
)


def prompt(*segments: Segment, model: str = "m-1", parameters: Declared = PARAMETERS) -> Prompt:
    return Prompt(Declared(model, "endpoint"), parameters, SCHEMA, (Message("user", segments),))


def refusal(asked: Prompt, *, calls: int = 0, **moved: Any) -> str:
    return envelope.outside(copy.deepcopy(MANIFEST), asked, provider=PROVIDER | moved, calls=calls)


def test_what_was_approved_passes() -> None:
    assert refusal(prompt(*INSIDE), calls=2) == ""


@pytest.mark.parametrize(
    ("segment", "names"),
    [
        (Template("rules", "Be bad."), "template rules"),
        (DPValue(12, "r", "18", (0,)), "statistic"),
        (DPValue(12, "another release", "17", (0,)), "statistic"),
        (FreeText('"a concert"', "vote-4"), "free text"),
        (FreeText('"a fair"', "vote-3"), "free text"),
        (FreeText('"a concert", "and": "more"', "vote-3"), "free text"),
        (Declared('"ROW: ward A, 12.3"', "dataset:1"), "declared text"),
        (Declared("not JSON at all", "dataset:1"), "declared text"),
        (Declared('["v04"]', "dataset:1"), "declared text"),
        (Declared('{"c01": [17]}', "dataset:1"), "declared text"),
        (Declared('{"ROW": ["v01"]}', "dataset:1"), "declared text"),
    ],
)
def test_a_foreign_segment_is_named(segment: Segment, names: str) -> None:
    assert names in refusal(prompt(*INSIDE, segment))


@pytest.mark.parametrize(
    "moved",
    [{"endpoint": "other"}, {"model": "m-2"}, {"address": "https://elsewhere.example/v1"}, {"local": False}],
)
def test_an_endpoint_that_moved_after_gate_b_is_refused(moved: dict[str, Any]) -> None:
    assert "endpoint" in refusal(prompt(*INSIDE), **moved)


def test_another_model_or_other_parameters_are_refused() -> None:
    assert "model" in refusal(prompt(*INSIDE, model="m-2"))
    other = Declared.of_json({"temperature": 1, "seed": 123456}, source="settings")
    assert "parameters" in refusal(prompt(*INSIDE, parameters=other))


def test_calls_beyond_the_cap_are_refused() -> None:
    assert "number of calls" in refusal(prompt(*INSIDE), calls=3)


def test_a_statistic_that_was_altered_is_noticed() -> None:
    table = NoisyMarginal(Clique.of("city"), np.array([12, 30]), 2.0, "17")
    release = Release("r", Domain(("city",), (2,)), (table,), PrivacyUnit(), Decimal(1), Decimal(0))
    assert envelope.untrue(release, prompt(*INSIDE)) == ""
    assert "differs" in envelope.untrue(release, prompt(DPValue(13, "r", "17", (0,))))
