"""Texts out of an answer: one for each record asked about, cleaned and measured, and a reason for each that is none."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from synthesis.llm.texts import clean, parse_texts
from tests.fakes.protocol import completion


def answer(*members: Any, finish: str = "stop") -> bytes:
    return completion(json.dumps({"texts": members}), finish_reason=finish)


def text(record: Any, words: Any) -> dict[str, Any]:
    return {"record": record, "text": words}


def test_texts_are_found_by_their_records_whatever_their_order() -> None:
    made = parse_texts(answer(text(2, "two"), text(1, "one")), records=2, most=10)
    assert (made.found, made.lost) == ({1: "one", 2: "two"}, {})


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("a\u200bb\u202ec\x07d", "abcd"),
        ("two\nlines\tand  spaces ", "two lines and spaces"),
        ("\u2028para\u2029graph", "para graph"),
        ("=1+1", "=1+1"),  # the guard is the file's own
        ("Größe 東京", "Größe 東京"),
        ("tag\U000e0041\ufe0f", "tag"),
        ("\u200b\u2060", ""),
    ],
)
def test_characters_that_nobody_sees_are_taken_out(told: str, kept: str) -> None:
    assert clean(told) == kept


def test_a_text_is_measured_after_it_was_cleaned() -> None:
    made = parse_texts(answer(text(1, "x\u200b" * 10), text(2, "x" * 11)), records=2, most=10)
    assert made.found == {1: "x" * 10}
    assert made.lost == {2: "a text longer than declared"}


@pytest.mark.parametrize("member", [
    text("1", "x"), text(True, "x"), text(1.0, "x"), text(0, "x"), text(2, "x"), "x", None, ["x"],
    {"record": 1}, {"record": 1, "text": "x", "more": 1},
])  # fmt: skip
def test_a_member_that_is_not_as_asked_is_no_text(member: Any) -> None:
    made = parse_texts(answer(member), records=1, most=10)
    assert (made.found, made.lost) == ({}, {1: "no text for the record"})


@pytest.mark.parametrize("words", [None, 3, ["x"], "", " \n ", "\u200b"])
def test_a_text_that_says_nothing_is_none(words: Any) -> None:
    assert parse_texts(answer(text(1, words)), records=1, most=10).lost == {1: "a text without anything to read"}


def test_the_first_text_for_a_record_counts_and_no_more_are_read_than_asked_for() -> None:
    made = parse_texts(answer(text(1, "first"), text(1, "again"), text(2, "late")), records=2, most=10)
    assert made.found == {1: "first"}


def test_what_was_cut_off_keeps_its_whole_texts() -> None:
    whole = json.dumps({"texts": [text(1, "one"), text(2, "two"), text(3, "three")]})
    made = parse_texts(completion(whole[:-12], finish_reason="length"), records=3, most=10)
    assert made.found == {1: "one", 2: "two"}
    assert made.lost == {3: "the answer was cut off"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not JSON", "not a chat completion"),
        (completion(None, refusal="no"), "refused"),
        (completion(None), "has no text"),
        (completion("I would rather not."), "no text for the record"),
        (completion('{"texts": "none"}'), "no text for the record"),
        (completion('{"texts": ' + "[" * 50_000), "no text for the record"),
    ],
)
def test_an_answer_of_no_use_gives_every_record_its_reason(body: bytes, reason: str) -> None:
    made = parse_texts(body, records=3, most=10)
    assert made.found == {}
    assert Counter(made.lost.values()).total() == 3
    assert all(reason in each for each in made.lost.values())
