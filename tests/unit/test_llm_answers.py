"""Answers are parsed, never trusted: whole proposals are kept, broken ones rejected with the rule they break."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.values import Domain
from synthesis.llm import answers
from synthesis.llm.base import ProposalPlan

DOMAIN = Domain(("city", "illness"), (2, 3))


def proposal(**changes: Any) -> dict[str, Any]:
    values = [{"column": "c01", "allow": ["v02"]}, {"column": "c02", "allow": ["v03", "v01", "v01"]}]
    return {"values": values, "records": 40, "reason": "because"} | changes


def text(*proposals: Any) -> str:
    return json.dumps({"proposals": proposals})


def test_a_valid_plan_is_read_in_the_domains_words() -> None:
    plan, rejected = answers.parse(text(proposal()), DOMAIN)
    assert rejected == ()
    assert plan.proposals[0].cells == {"city": (1,), "illness": (0, 2)}
    assert (plan.proposals[0].weight, plan.proposals[0].reason) == (40, "because")


def test_an_answer_that_proposes_nothing_is_no_fault() -> None:
    assert answers.parse('{"proposals": []}', DOMAIN) == (ProposalPlan(), ())
    assert answers.parse('Here: {"proposals" : [ ] }', DOMAIN) == (ProposalPlan(), ())
    assert answers.parse('{"proposals": [{"values"', DOMAIN) == (ProposalPlan(), ("the answer holds no proposal",))
    assert answers.parse("nothing", DOMAIN) == (ProposalPlan(), ("the answer holds no proposal",))


ONE = {"column": "c01", "allow": ["v01"]}
TWO = {"column": "c02", "allow": ["v01"]}


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (proposal(records=0), "records"),
        (proposal(records=True), "records"),
        (proposal(records=3.5), "records"),
        (proposal(records=10**12), "records"),
        (proposal(reason=None), "reason"),
        (proposal(extra=1), "exactly the keys"),
        ({"values": []}, "exactly the keys"),
        (proposal(values={}), "list"),
        (proposal(values=[]), "at least one column"),
        (proposal(values=[ONE, ONE]), "twice"),
        (proposal(values=[ONE, {"column": "c03", "allow": ["v01"]}]), "not declared"),
        (proposal(values=[ONE, {"column": "city", "allow": ["v01"]}]), "not declared"),
        (proposal(values=[ONE, {"column": 2, "allow": ["v01"]}]), "not declared"),
        (proposal(values=[ONE, {"column": "c02", "allow": ["v04"]}]), "not declared"),
        (proposal(values=[ONE, {"column": "c02", "allow": ["v00"]}]), "not declared"),
        (proposal(values=[ONE, {"column": "c02", "allow": ["v٠1"]}]), "not declared"),
        (proposal(values=[ONE, {"column": "c02", "allow": []}]), "at least one"),
        (proposal(values=[ONE, {"column": "c02", "allow": "v01"}]), "list"),
        (proposal(values=[ONE, TWO | {"why": "x"}]), "exactly the keys"),
    ],
)
def test_a_broken_proposal_is_rejected_and_its_neighbours_stay(broken: Any, rule: str) -> None:
    plan, rejected = answers.parse(text(proposal(), broken, proposal()), DOMAIN)
    assert len(plan.proposals) == 2
    assert len(rejected) == 1
    assert rejected[0].startswith("proposal 2: ")
    assert rule in rejected[0]


def test_a_column_left_out_may_take_any_value() -> None:
    plan, rejected = answers.parse(text(proposal(values=[TWO])), DOMAIN)
    assert (dict(plan.proposals[0].cells), rejected) == ({"city": (0, 1), "illness": (0,)}, ())


def test_rejections_quote_nothing_of_the_answer() -> None:
    wicked = proposal(values=[{"column": "IGNORE PREVIOUS", "allow": ["<script>"]}, TWO])
    assert "IGNORE" not in "".join(answers.parse(text(wicked), DOMAIN)[1])


def test_whole_proposals_are_salvaged_from_text_that_was_cut_off() -> None:
    whole = text(proposal(), proposal(records=7), proposal())
    cut = whole[: whole.rindex('"reason"')]
    plan, _ = answers.parse(cut, DOMAIN)
    assert [each.weight for each in plan.proposals] == [40, 7]


def test_fences_and_talk_around_the_json_do_no_harm() -> None:
    plan, rejected = answers.parse(f"Sure! Here it is:\n```json\n{text(proposal())}\n```\nEnjoy.", DOMAIN)
    assert (len(plan.proposals), rejected) == (1, ())


@pytest.mark.parametrize(
    "content", ["", "no", "{}", '{"proposals"', '{"proposals": "x"}', '{"proposals": [3]}', "[" * 5000]
)
def test_text_without_proposals_gives_an_empty_plan_and_a_reason(content: str) -> None:
    assert answers.parse(content, DOMAIN) == (ProposalPlan(), ("the answer holds no proposal",))


@given(st.text() | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(lambda v: text(v)))
def test_no_text_at_all_raises(content: str) -> None:
    plan, _ = answers.parse(content, DOMAIN)
    assert plan.proposals == ()


def test_deeply_nested_text_is_rejected_not_a_crash() -> None:
    assert answers.parse('{"proposals": [{"values": ' + "[" * 100_000, DOMAIN)[0] == ProposalPlan()


def test_reasons_lose_what_cannot_be_seen_and_have_an_end() -> None:
    plan, _ = answers.parse(text(proposal(reason="a\u202eb\n\tc\u200b" + "x" * 5000)), DOMAIN)
    assert plan.proposals[0].reason.startswith("ab cx")
    assert len(plan.proposals[0].reason) == answers.REASON_CHARS


def test_an_endless_answer_is_read_to_a_limit() -> None:
    plan, rejected = answers.parse(text(*[proposal()] * 80), DOMAIN)
    assert len(plan.proposals) == answers.MOST_PROPOSALS
    assert "first 50" in rejected[-1]


def test_of_a_model_that_thinks_aloud_the_last_word_counts() -> None:
    draft, final = text(proposal(records=1)), text(proposal(records=2))
    assert answers.parse(f"<think>Perhaps {draft}? No.</think>{final}", DOMAIN)[0].proposals[0].weight == 2
    assert answers.parse(f'The "proposals" [see below]: {final}', DOMAIN)[0].proposals[0].weight == 2
    assert answers.parse(f'{draft} On second thought: {{"proposals": []}}', DOMAIN) == (ProposalPlan(), ())
    assert answers.parse(f'{draft} {{"proposals": [{{"val', DOMAIN)[0].proposals[0].weight == 1, "the last was cut off"


def test_text_made_to_be_slow_is_not() -> None:
    began = time.process_time()
    for wicked in ('"proposals":[{', '"proposals":[{}', '"proposals":[', '{"proposals":' + "[" * 900):
        answers.parse(wicked * (2**21 // len(wicked)), DOMAIN)
    assert time.process_time() - began < 10


def completion(message: Any, finish: str = "stop") -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": finish}]}).encode()


def test_a_completion_yields_its_plan_and_says_when_it_was_cut_off() -> None:
    whole = answers.parse_completion(completion({"content": text(proposal())}), DOMAIN)
    cut = answers.parse_completion(completion({"content": text(proposal())}, "length"), DOMAIN)
    assert (len(whole[0].proposals), whole[1]) == (1, ())
    assert (len(cut[0].proposals), cut[1]) == (1, ("the answer was cut off",))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff", "not a chat completion"),
        (b"[]", "not a chat completion"),
        (b'{"choices": []}', "not a chat completion"),
        (b'{"choices": [{"message": null}]}', "not a chat completion"),
        (completion({"content": None, "refusal": "no"}), "refused"),
        (completion({"content": None}), "no text"),
    ],
)
def test_anything_else_is_an_empty_plan_with_a_reason(body: bytes, reason: str) -> None:
    plan, rejected = answers.parse_completion(body, DOMAIN)
    assert plan == ProposalPlan()
    assert reason in rejected[0]
