"""How a stand-in model may behave, by name: the useful, the wrong, and the broken."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes import faults, plain, structures, writers
from tests.fakes.protocol import Behaviour, about_texts, completion, guidance_of, missing, proposal, proposing
from tests.fakes.scenarios import supposed

CHANCE = 3.0  # standard deviations of the public table's own sampling that a shift must exceed to be spoken of
FEWEST = 5  # public rows that a group needs before anything is said of it


@structures.answering(structures.obliging)
def first_cells(body: bytes) -> tuple[int, bytes]:
    """A useful answer: one proposal for each under-represented cell, every other column free."""
    guidance = guidance_of(body)
    if "assumption" in guidance:
        return proposing(*supposed(guidance))
    if about_texts(guidance):
        return writers.sensible(guidance)
    found = [
        proposal(guidance, one["where"], one["target"] - one["now"], "There are too few of these.")
        for one in guidance["discrepancies"]
        if one["target"] > one["now"]
    ]
    return proposing(*found[: guidance["proposals"]])


def informed(public: NDArray[np.integer[Any]]) -> Behaviour:
    """Knows a public table (rows x columns of codes, in the prompt's order) and proposes what it supports."""

    @structures.answering(partial(structures.informed, public))
    def answer(body: bytes) -> tuple[int, bytes]:
        guidance = guidance_of(body)
        if "assumption" in guidance:
            return proposing(*supposed(guidance))
        if about_texts(guidance):
            return writers.sensible(guidance)
        boxes = [(one, _supported(guidance, one["where"], public)) for one in missing(guidance)]
        found = [
            proposal(guidance, box, one["target"] - one["now"], "Where such records are found elsewhere.")
            for one, box in boxes
            if box is not None
        ]
        return proposing(*found[: guidance["proposals"]])

    return answer


def _supported(guidance: dict[str, Any], where: dict[str, list[str]], public: NDArray[Any]) -> dict[str, Any] | None:
    """For each column the values that public rows of this group have more often than others; None: too few rows."""
    rows = np.ones(len(public), dtype=bool)
    for name, values in where.items():
        rows &= np.isin(public[:, _place(name)], [_place(value) for value in values])
    if rows.sum() < FEWEST:
        return None
    box = dict(where)
    for column in guidance["columns"]:
        told = public[:, _place(column["name"])]
        if column["name"] not in where and (typical := _typical(told, rows, len(column["values"]))):
            box[column["name"]] = [column["values"][code] for code in typical]
    return box


def _place(code: str) -> int:
    """c03 or v03 as 2."""
    return int(code[1:]) - 1


def _typical(codes: NDArray[Any], rows: NDArray[np.bool_], size: int) -> list[int]:
    """Codes that these rows hold more often than all do; none where the difference may be chance."""
    whole = np.bincount(codes, minlength=size) / len(codes)
    here = np.bincount(codes[rows], minlength=size) / rows.sum()
    chance = np.sqrt(whole * (1 - whole) / rows.sum()).sum() / 2
    if np.abs(here - whole).sum() / 2 <= CHANCE * chance:
        return []
    return [int(code) for code in np.flatnonzero(here > whole)]


@structures.answering(structures.random_pairs)
def random_boxes(body: bytes) -> tuple[int, bytes]:
    """Boxes drawn at random; the same question, the same boxes."""
    guidance, rng = guidance_of(body), random.Random(hashlib.sha256(body).digest())
    if about_texts(guidance):
        return writers.at_random(guidance, rng)
    found = [
        proposal(guidance, _drawn(guidance, rng), max(1, guidance["records"] // 5), "These belong together.")
        for _ in range(guidance["proposals"])
    ]
    return proposing(*found)


def _drawn(guidance: dict[str, Any], rng: random.Random) -> dict[str, list[str]]:
    return {
        column["name"]: rng.sample(column["values"], rng.randint(1, len(column["values"])))
        for column in guidance["columns"]
    }


@structures.answering(structures.malicious)
def malicious(body: bytes) -> tuple[int, bytes]:
    """All records in one cell, as loudly as the form lets it be said; texts that would do harm."""
    guidance = guidance_of(body)
    if about_texts(guidance):
        return writers.malicious(guidance)
    cell = {column["name"]: column["values"][-1:] for column in guidance["columns"]}
    return proposing(*[proposal(guidance, cell, 10**9, "All records are alike.")] * guidance["proposals"])


@structures.answering(structures.contrary)
def contrary(body: bytes) -> tuple[int, bytes]:
    """More of whatever there is too much of already, and the other way round than a what-if says."""
    guidance = guidance_of(body)
    if "assumption" in guidance:
        return proposing(*supposed(guidance, contrary=True))
    if about_texts(guidance):
        return writers.contrary(guidance)
    found = [
        proposal(guidance, one["where"], one["now"] - one["target"], "More of these.")
        for one in guidance["discrepancies"]
        if one["target"] < one["now"]
    ]
    return proposing(*found[: guidance["proposals"]])


def enforcing(body: bytes) -> tuple[int, bytes]:
    """A model behind a grammar: whatever it is told, it answers the least thing that the asked schema allows."""
    schema = json.loads(body)["response_format"]["json_schema"]["schema"]
    return 200, completion(json.dumps(_least(schema)))


def _least(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    makers: dict[str, Callable[[], Any]] = {
        "object": lambda: {name: _least(part) for name, part in schema["properties"].items()},
        "array": list, "string": str, "integer": int, "number": float, "boolean": bool,
    }  # fmt: skip
    return makers[schema["type"]]()


USEFUL: dict[str, Behaviour] = {"obliging": first_cells}
WRONG: dict[str, Behaviour] = {"random": random_boxes, "malicious": malicious, "contrary": contrary}
BAD: dict[str, Behaviour] = {**WRONG, **plain.BEHAVIOURS, **faults.BEHAVIOURS}
BEHAVIOURS: dict[str, Behaviour] = {**USEFUL, "enforcing": enforcing, **BAD}
