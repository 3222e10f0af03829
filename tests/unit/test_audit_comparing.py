"""What changed from one prompt to the next."""

from audit.comparing import compare
from audit.segments import Declared, DPValue, Message, Prompt, Synthetic, Template


def prompt(*segments, role="user"):
    return Prompt(Declared("m", "endpoint"), Declared("{}", "settings"), None, (Message(role, tuple(segments)),))


def words(*texts):
    return [Template("t", text) for text in texts]


def told(before, now):
    (found,) = compare(before, now)
    return [(piece.change, [getattr(one, "text", None) or str(one.value) for one in piece.segments], piece.folded)
            for piece in found.pieces]  # fmt: skip


def test_a_number_that_changed_stands_beside_the_old_one():
    before = prompt(*words("a"), DPValue(4, "r", "1", (0,)), *words("b"))
    now = prompt(*words("a"), DPValue(5, "r", "1", (0,)), *words("b"))
    assert told(before, now) == [("same", ["a"], False), ("gone", ["4"], False), ("new", ["5"], False),
                                 ("same", ["b"], False)]  # fmt: skip


def test_the_same_text_of_another_kind_is_a_change():
    """A released number in the place of a synthetic one is another thing, even with the same digits."""
    assert told(prompt(Synthetic(5, "loop")), prompt(DPValue(5, "r", "1", (0,)))) == [
        ("gone", ["5"], False), ("new", ["5"], False),
    ]  # fmt: skip


def test_the_same_number_from_elsewhere_is_no_change():
    assert told(prompt(DPValue(5, "r", "1", (0,))), prompt(DPValue(5, "r", "1", (3,)))) == [("same", ["5"], False)]


def test_long_unchanged_stretches_are_folded_with_a_rim_beside_each_change():
    many = words(*"abcdefghij")
    found = told(prompt(*many, *words("x"), *many), prompt(*many, *words("y"), *many))
    assert [(change, len(texts), folded) for change, texts, folded in found] == [
        ("same", 8, True), ("same", 2, False), ("gone", 1, False), ("new", 1, False), ("same", 2, False),
        ("same", 8, True),
    ]  # fmt: skip


def test_a_message_that_came_or_went_is_told_whole():
    one = prompt(*words("a"))
    two = Prompt(one.model, one.parameters, None, (*one.messages, Message("user", tuple(words("b")))))
    assert [(found.gone, found.new) for found in compare(one, two)] == [(0, 0), (0, 1)]
    assert [(found.gone, found.new) for found in compare(two, one)] == [(0, 0), (1, 0)]
