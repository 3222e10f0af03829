"""What is told to have texts written: synthetic records and declared facts, as many as fit, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from audit.rendering import render
from audit.segments import Declared, Prompt, Synthetic, Template
from privacy.schema_texts import Written
from synthesis.manners import Manner
from synthesis.prompts import PromptBuilder, TooLong
from synthesis.text_prompts import MOST_IN_BATCH, TEMPLATES, Batch, batch_size, text_prompt
from tests.unit.test_prompts import Table

REMARK = Written("remark", 80, "German", 'what "they" say\nof it')
RECORDS = np.array([[1, 2], [0, 0], [1, 1]])


def builder(**more: Any) -> PromptBuilder:
    return PromptBuilder(Table(), release="r1", source="dataset:d1", model="m-1", **more)


def told(prompt: Prompt) -> Any:
    return json.loads(json.loads(render(prompt))["messages"][-1]["content"])


def test_records_are_told_by_public_labels_and_their_codes() -> None:
    prompt, count = text_prompt(builder(), REMARK, Batch(RECORDS, "data", 41))
    assert count == 3
    assert told(prompt) == {
        "column": "remark", "instruction": 'what "they" say\nof it', "language": "German", "longest": 80,
        "records": [
            {"record": 1, "codes": [2], "values": {"city": "Bonn"}},
            {"record": 2, "codes": [1], "values": {"city": "Ulm"}},
            {"record": 3, "codes": [2], "values": {"city": "Bonn"}},
        ],
    }  # fmt: skip
    assert "secret" not in render(prompt).decode()
    assert "diagnosis" not in render(prompt).decode()


def test_every_part_is_wording_declared_or_synthetic_and_says_where_from() -> None:
    prompt, _ = text_prompt(builder(), REMARK, Batch(RECORDS, "data", 41))
    segments = [segment for message in prompt.messages for segment in message.segments]
    assert {type(segment) for segment in segments} == {Template, Declared, Synthetic}
    assert {one.sha256 for one in segments if isinstance(one, Template)} <= {one.sha256 for one in TEMPLATES}
    origins = [one.origin for one in segments if isinstance(one, Synthetic)]
    assert "data;row=41;column=1" in origins
    assert "data;row=43;column=1" in origins


def test_a_label_that_a_release_found_names_the_release() -> None:
    prompt, _ = text_prompt(builder(found=frozenset({"city"})), REMARK, Batch(RECORDS, "data", 1))
    labels = [one for one in prompt.messages[1].segments if isinstance(one, Declared) and one.value == '"Bonn"']
    assert {one.source for one in labels} == {"release:r1:keys"}


def test_as_many_records_as_the_endpoint_can_read() -> None:
    whole, _ = text_prompt(builder(), REMARK, Batch(np.tile(RECORDS, (6, 1)), "data", 1))
    room = len(render(whole)) // 2 + 700
    prompt, count = text_prompt(builder(manner=Manner(room=room)), REMARK, Batch(np.tile(RECORDS, (6, 1)), "data", 1))
    assert 1 <= count < 18
    assert len(render(prompt)) <= room
    assert len(told(prompt)["records"]) == count
    with pytest.raises(TooLong):
        text_prompt(builder(manner=Manner(room=100)), REMARK, Batch(RECORDS, "data", 1))


def test_the_longest_answer_bounds_a_batch() -> None:
    sizes = [batch_size(Written("t", most, "English", "x"), Manner()) for most in (10, 400, 2000)]
    assert sizes == [MOST_IN_BATCH, 18, 3]
    assert batch_size(Written("t", 2000, "English", "x"), Manner({"max_tokens": 100})) == 1


def test_the_form_of_the_answer_is_that_of_texts() -> None:
    prompt, _ = text_prompt(builder(), REMARK, Batch(RECORDS, "data", 1))
    assert prompt.response_schema is not None
    assert list(json.loads(prompt.response_schema.value)["properties"]) == ["texts"]
    prompt, _ = text_prompt(builder(manner=Manner(form=False)), REMARK, Batch(RECORDS, "data", 1))
    assert prompt.response_schema is None
