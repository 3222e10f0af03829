import dataclasses
import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import canonical, rendering
from audit.segments import Declared, DPValue, FreeText, Message, Prompt, Synthetic, Template, UnfitSegment

text = st.text(max_size=12)
origin = st.text(min_size=1, max_size=6)
number = st.integers(-canonical.LARGEST, canonical.LARGEST)
segment = st.one_of(
    st.builds(Template, name=origin, text=text),
    st.builds(Declared, value=text, source=origin),
    st.builds(
        DPValue,
        value=number,
        release=origin,
        measurement=origin,
        cell=st.lists(st.integers(0, 99), max_size=3).map(tuple),
    ),
    st.builds(Synthetic, value=number, origin=origin),
    st.builds(FreeText, text=text, approval=origin),
)
message = st.builds(
    Message, role=st.sampled_from(["system", "developer", "user"]), segments=st.lists(segment, max_size=6).map(tuple)
)
parameters = st.fixed_dictionaries(
    {}, optional={"temperature": st.floats(0, 2), "seed": st.integers(0, 9), "store": st.booleans()}
)
schema = st.none() | st.just({"type": "object", "properties": {"a": {"type": "integer"}}})
prompt = st.builds(
    Prompt,
    model=st.builds(Declared, value=text, source=origin),
    parameters=parameters.map(lambda value: Declared.of_json(value, source="settings")),
    response_schema=schema.map(lambda value: value and Declared.of_json(value, source="settings")),
    messages=st.lists(message, max_size=3).map(tuple),
)


def example(*segments, parameters=None, role="user"):
    declared = Declared.of_json(parameters or {}, source="settings")
    return Prompt(Declared("model", "endpoint"), declared, None, (Message(role, segments),))


@given(prompt)
def test_a_prompt_survives_its_map_and_renders_the_same(prompt):
    again = rendering.from_map(rendering.to_map(prompt))
    assert again == prompt
    assert rendering.render(again) == rendering.render(prompt)


@given(prompt)
def test_segments_make_up_each_message_and_nothing_hidden_is_left(prompt):
    request = json.loads(rendering.render(prompt))
    assert len(request["messages"]) == len(prompt.messages)
    for sent, message in zip(request["messages"], prompt.messages, strict=True):
        assert "".join(map(rendering.text_of, message.segments)) == sent["content"]
        assert not [mark for mark in sent["content"] if hidden(mark)]


def hidden(mark):
    return unicodedata.category(mark) in {"Cf", "Co", "Cs", "Zl", "Zp"} or (
        unicodedata.category(mark) == "Cc" and mark not in "\t\n"
    )


def test_every_character_python_calls_hidden_is_stripped_and_ordinary_text_is_not():
    left = [hex(ord(mark)) for mark in map(chr, range(sys.maxunicode + 1)) if hidden(mark) and rendering.visible(mark)]
    assert left == []
    kept = "Größe, naïve, 東京, Ω ≤ 5\t|\nعربي हिन्दी 😀 $€"
    assert rendering.visible(kept) == kept


@pytest.mark.parametrize("smuggled", ["\u200b", "\u202e", "\ufe0f", "\U000e0041", "\u00ad", "\u2063", "\u3164", "\x1b"])
def test_hidden_characters_do_not_leave_in_any_segment(smuggled):
    hidden_in = f"a{smuggled}b"
    request = example(
        Template("t", hidden_in), Declared(hidden_in, "s"), FreeText(hidden_in, "vote 1"),
        parameters={"reasoning_effort": hidden_in},
    )  # fmt: skip
    request = dataclasses.replace(request, model=Declared(hidden_in, "s"))
    sent = json.loads(rendering.render(request))
    assert sent["messages"][0]["content"] == "ababab"
    assert sent["model"] == sent["reasoning_effort"] == "ab"


def test_hidden_characters_written_as_escapes_do_not_leave_either():
    request = dataclasses.replace(example(), parameters=Declared('{"reasoning_effort":"a\\u200bb"}', "s"))
    assert json.loads(rendering.render(request))["reasoning_effort"] == "ab"


def test_the_request_is_the_one_a_chat_endpoint_expects():
    request = example(
        Template("t", "There are "),
        DPValue(12, "r1", "m1", (0, 1)),
        Synthetic(-3, "loop"),
        parameters={"temperature": 0.7},
    )
    request = dataclasses.replace(request, response_schema=Declared.of_json({"type": "object"}, source="s"))
    assert json.loads(rendering.render(request)) == {
        "model": "model",
        "temperature": 0.7,
        "messages": [{"role": "user", "content": "There are 12-3"}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": {"type": "object"}},
        },
    }


@pytest.mark.parametrize("bare", ["text", 5, None, True, b"x", ("a",), {"type": "TEMPLATE"}, Message("user", ())])
def test_anything_bare_is_refused(bare):
    with pytest.raises(UnfitSegment):
        rendering.render(example(Template("t", "x"), bare))
    with pytest.raises(UnfitSegment):
        rendering.to_map(example(Template("t", "x"), bare))
    with pytest.raises(UnfitSegment):
        rendering.render(dataclasses.replace(example(), model=bare))
    with pytest.raises(UnfitSegment):
        rendering.render(bare)


def test_a_subclass_cannot_stand_in_for_a_segment():
    @dataclasses.dataclass(frozen=True)
    class Smuggled(Template):
        pass

    with pytest.raises(UnfitSegment):
        rendering.render(example(Smuggled("t", "anything")))


@pytest.mark.parametrize(
    "make",
    [
        lambda: DPValue(1.5, "r", "m", (0,)),
        lambda: DPValue(True, "r", "m", (0,)),
        lambda: DPValue(1, "", "m", (0,)),
        lambda: DPValue(1, "r", "m", [0]),
        lambda: DPValue(1, "r", "m", ("0",)),
        lambda: Synthetic("5", "loop"),
        lambda: Synthetic(5, ""),
        lambda: Declared(5, "s"),
        lambda: Declared("x", ""),
        lambda: FreeText("x", ""),
        lambda: Template("", "x"),
    ],
)
def test_segments_refuse_values_of_another_kind_and_nameless_origins(make):
    with pytest.raises(UnfitSegment):
        make()


@pytest.mark.parametrize(
    "parameters", [{"tools": []}, {"messages": []}, {"model": "x"}, {"user": "ada"}, {"metadata": {}}]
)
def test_request_parameters_are_on_a_list(parameters):
    with pytest.raises(UnfitSegment, match="not on the list"):
        rendering.render(example(parameters=parameters))


def test_an_unknown_role_is_refused():
    with pytest.raises(UnfitSegment):
        rendering.render(example(role="assistant"))


def mutated(change):
    found = json.loads(rendering.to_map(example(Template("t", "x"), DPValue(1, "r", "m", (0,)))))
    change(found)
    return canonical.dumps(found)


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.update(version=2),
        lambda found: found.update(extra=1),
        lambda found: found.pop("model"),
        lambda found: found["model"].update(type="FREETEXT"),
        lambda found: found["messages"][0].update(role="tool"),
        lambda found: found["messages"][0]["segments"][0].update(text="other words"),
        lambda found: found["messages"][0]["segments"][1].update(value="1"),
        lambda found: found["messages"][0]["segments"][1].update(type="NUMBER"),
        lambda found: found["messages"][0]["segments"][1].pop("release"),
        lambda found: found["messages"][0]["segments"].append("bare text"),
        lambda found: found.update(messages="none"),
    ],
)
def test_segment_maps_are_read_strictly(change):
    with pytest.raises(UnfitSegment):
        rendering.from_map(mutated(change))


def test_an_unchanged_map_is_read():
    assert rendering.from_map(mutated(lambda found: None)).model.value == "model"
