"""How an endpoint is spoken to follows from its probe; prompts shrink to what it reads, forms to what may be listed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from audit.rendering import render
from audit.segments import Prompt
from privacy.values import Axis, Clique
from synthesis import manners
from synthesis.loop import Discrepancy
from synthesis.manners import Manner
from synthesis.prompts import MOST_ENUMERATED, PromptBuilder, TooLong

FOUND: dict[str, Any] = {
    "answers": True, "limit": "max_completion_tokens", "schema": "enforced", "context": None, "cuts": False,
    "fits": 24_000, "density": 200, "output": None,
}  # fmt: skip


def test_nothing_that_some_models_refuse_is_sent_before_a_probe() -> None:
    assert Manner().as_json() == {
        "parameters": {"max_completion_tokens": 4000},
        "form": True,
        "room": manners.UNKNOWN,
    }
    assert manners.suited_to({}) == manners.suited_to({"answers": False}) == Manner()


@pytest.mark.parametrize(
    ("found", "parameters", "form", "room"),
    [
        ({}, {"max_completion_tokens": 4000}, True, 24_000),
        ({"limit": "max_tokens"}, {"max_tokens": 4000}, True, 24_000),
        ({"schema": "ignored"}, {"max_completion_tokens": 4000}, True, 24_000),
        ({"schema": "refused"}, {"max_completion_tokens": 4000}, False, 24_000),
        ({"output": 1024}, {"max_completion_tokens": 1024}, True, 24_000),
        ({"context": 4096}, {"max_completion_tokens": 1365}, True, (4096 - 1365 - 200) * 2 * 80 // 100),
        ({"context": 4096, "density": None}, {"max_completion_tokens": 1365}, True, (4096 - 1365 - 200) * 120 // 100),
        ({"context": 10**6}, {"max_completion_tokens": 4000}, True, manners.ANYTHING),
        ({"context": 100}, {"max_completion_tokens": 33}, True, 0),
        ({"fits": None}, {"max_completion_tokens": 4000}, True, manners.UNKNOWN),
    ],
)
def test_a_manner_follows_from_what_was_found(
    found: dict[str, Any], parameters: dict[str, int], form: bool, room: int
) -> None:
    assert manners.suited_to(FOUND | found) == Manner(parameters, form, room)
    assert Manner.from_json(json.loads(json.dumps(Manner(parameters, form, room).as_json()))).room == room


# --- prompts that fit


@dataclass(frozen=True)
class Wide:
    """So many columns of so many values each, their labels public."""

    columns: int = 100
    values: int = 64

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"name {number}" for number in range(self.columns))

    def labels(self, column: str) -> tuple[str, ...]:
        return tuple(f"label {code}" for code in range(self.values))

    def is_public(self, column: str) -> bool:
        return True


def gaps(table: Wide, most: int = 12) -> tuple[Discrepancy, ...]:
    return tuple(
        Discrepancy(Clique((Axis(f"name {at}"), Axis(f"name {at + 1}"))), (0, 0), 900 - at, 700, 5.0, f"m/{at}")
        for at in range(most)
    )


def builder(table: Any, **manner: Any) -> PromptBuilder:
    return PromptBuilder(table, release="r1", source="dataset:d1", model="m", manner=Manner(**manner))


def guidance(prompt: Prompt) -> dict[str, Any]:
    return dict(json.loads(json.loads(render(prompt))["messages"][-1]["content"]))


def told(room: int) -> tuple[int, int]:
    """Columns and discrepancies of the prompt that fits this room, which it must."""
    table = Wide()
    prompt = builder(table, room=room).fitting(gaps(table), iteration=1, proposals=5)
    assert len(render(prompt)) <= room
    found = guidance(prompt)
    assert found["records"] == sum(one["target"] - one["now"] for one in found["discrepancies"])
    return len(found["columns"]), len(found["discrepancies"])


def test_a_prompt_shrinks_to_the_room_there_is() -> None:
    assert told(manners.ANYTHING) == (100, 12)
    assert told(40_000) == (13, 12)
    assert told(20_000) == (7, 6)
    assert told(12_000) == (4, 3)
    assert told(7_500) == (2, 1)


def test_where_nothing_fits_that_is_said_and_not_sent() -> None:
    with pytest.raises(TooLong):
        builder(Wide(), room=1_000).fitting(gaps(Wide()), iteration=1, proposals=5)


def test_the_largest_differences_are_told_and_every_column_they_are_about() -> None:
    prompt = builder(Wide(), room=12_000).fitting(gaps(Wide()), iteration=1, proposals=5)
    found = guidance(prompt)
    assert [one["target"] for one in found["discrepancies"]] == [900, 899, 898]
    names = {column["name"] for column in found["columns"]}
    assert {name for one in found["discrepancies"] for name in one["where"]} == names == {"c01", "c02", "c03", "c04"}


# --- forms that may be listed


def enumerated(schema: Any) -> int:
    if isinstance(schema, dict):
        return len(schema.get("enum", ())) + sum(enumerated(part) for name, part in schema.items() if name != "enum")
    return 0


@pytest.mark.parametrize(
    ("columns", "values", "expected"),
    [(14, 64, 78), (100, 900, 1000), (100, 901, 100), (3, 1000, 3), (1001, 5, 5), (1001, 2000, 0)],
)
def test_a_form_never_lists_more_than_any_endpoint_takes(columns: int, values: int, expected: int) -> None:
    schema = builder(Wide(columns, values)).answer_schema()
    assert enumerated(schema) == expected <= MOST_ENUMERATED
    allow = schema["properties"]["proposals"]["items"]["properties"]["values"]["items"]["properties"]
    assert {part["type"] for part in (allow["column"], allow["allow"]["items"])} == {"string"}


def test_no_form_is_demanded_of_an_endpoint_that_refuses_it() -> None:
    bare = builder(Wide(), form=False, room=manners.ANYTHING)
    body = json.loads(render(bare.build((), iteration=1, proposals=5, records=1)))
    assert "response_format" not in body
    assert "temperature" not in body
