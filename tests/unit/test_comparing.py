"""Two prompts compared: silent where they are equal, and each difference with its place and both sides."""

import dataclasses

import pytest

from audit.segments import Declared, DPValue, Message, Synthetic
from synthesis.comparing import differences
from tests.audit_story import PROMPT


def told(found):
    return [(one.message, one.segment, one.what, one.expected, one.found) for one in compared(found)]


def compared(found):
    return list(differences(PROMPT, found, run="u1", prompt="2.1"))


def with_segments(*segments):
    return dataclasses.replace(PROMPT, messages=(PROMPT.messages[0], Message("user", segments), PROMPT.messages[2]))


def test_equal_prompts_do_not_differ():
    assert compared(dataclasses.replace(PROMPT)) == []


TARGET, VALUE, COUNT = PROMPT.messages[1].segments
HERE = "41 (release r1, measurement e2, cell (1, 0))"


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ((TARGET, VALUE, Synthetic(8, "loop")), [(2, 3, "SYNTHETIC", "7 (origin loop)", "8 (origin loop)")]),
        ((TARGET, VALUE, Synthetic(7, "other")), [(2, 3, "SYNTHETIC", "7 (origin loop)", "7 (origin other)")]),
        ((TARGET, VALUE), [(2, 3, "SYNTHETIC", "7 (origin loop)", "nothing")]),
        ((TARGET, VALUE, COUNT, COUNT), [(2, 4, "SYNTHETIC", "nothing", "7 (origin loop)")]),
        ((TARGET, Synthetic(41, "loop"), COUNT), [(2, 2, "DPVALUE or SYNTHETIC", HERE, "41 (origin loop)")]),
        ((TARGET, DPValue(41, "r1", "e9", (1, 0)), COUNT), [(2, 2, "DPVALUE", HERE, HERE.replace("e2", "e9"))]),
    ],
)
def test_a_segment_that_differs_is_named_with_its_place_and_both_sides(segments, expected):
    assert told(with_segments(*segments)) == expected


def test_the_parts_that_no_message_holds_and_whole_messages_are_compared():
    other = dataclasses.replace(PROMPT, model=Declared("model-2", "endpoint"), messages=PROMPT.messages[:2])
    assert [(one.message, one.segment) for one in compared(other)] == [(None, None), (3, 1)]
    assert compared(other)[0].in_words() == (
        "run u1, prompt 2.1: DECLARED: expected model-1 (source endpoint), found model-2 (source endpoint)"
    )
    assert compared(other)[1].in_words().startswith('run u1, prompt 2.1, message 3, segment 1: FREETEXT: expected "')


def test_another_role_with_the_same_segments_differs():
    swapped = (dataclasses.replace(PROMPT.messages[0], role="user"), *PROMPT.messages[1:])
    assert [one.what for one in compared(dataclasses.replace(PROMPT, messages=swapped))] == ["role"]
