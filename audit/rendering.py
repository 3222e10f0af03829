"""From typed segments to the exact bytes of a chat request, and from a stored segment map back again.

Pure, so that the offline verifier renders every prompt again and compares it byte for byte.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, cast

from audit import canonical
from audit.segments import (
    ROLES,
    SEGMENT_TYPES,
    Declared,
    DPValue,
    Message,
    Prompt,
    Segment,
    Synthetic,
    Template,
    UnfitSegment,
)

PARAMETERS = frozenset({
    "temperature", "top_p", "seed", "max_tokens", "max_completion_tokens", "frequency_penalty",
    "presence_penalty", "reasoning_effort", "verbosity", "store",
})  # fmt: skip
"""The only request fields a prompt may set beside model, messages and response_format: no tools, no
identifiers of people, no metadata."""

# Format and control characters, line and paragraph separators, variation selectors, fillers that show
# nothing, private use, tags. Written out, so that every version of Python strips the same characters.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ud800-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000110bd\U000110cd\U00013430-\U0001345f"
    "\U0001bca0-\U0001bcaf\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)


def visible(text: str) -> str:
    """The text without characters a reader cannot see but a model can."""
    return _INVISIBLE.sub("", text)


def text_of(segment: Segment) -> str:
    """What one segment says in a prompt; anything that is not a segment is refused."""
    if type(segment) not in SEGMENT_TYPES:
        raise UnfitSegment(f"a prompt is made of typed segments, not of {type(segment).__name__}")
    if isinstance(segment, DPValue | Synthetic):
        return str(segment.value)
    return visible(segment.value if isinstance(segment, Declared) else segment.text)


def message_text(message: Message) -> str:
    return "".join(text_of(segment) for segment in message.segments)


def render(prompt: Prompt) -> bytes:
    """The request as bytes: canonical JSON in the shape of OpenAI's chat completions.

    Raises UnfitSegment for anything untyped and for a parameter that is not on the list.
    """
    if type(prompt) is not Prompt:
        raise UnfitSegment(f"only a Prompt can be rendered, not {type(prompt).__name__}")
    request = _parameters(prompt.parameters)
    request["model"] = _declared_text(prompt.model)
    request["messages"] = [_request_message(message) for message in prompt.messages]
    if prompt.response_schema is not None:
        request["response_format"] = _response_format(prompt.response_schema)
    return canonical.dumps(request, floats=True)


def to_map(prompt: Prompt) -> bytes:
    """The segment map: everything needed to render the prompt again, as canonical JSON."""
    schema = prompt.response_schema
    return canonical.dumps(
        {
            "version": 1,
            "model": _segment_to_map(prompt.model),
            "parameters": _segment_to_map(prompt.parameters),
            "response_schema": None if schema is None else _segment_to_map(schema),
            "messages": [
                {"role": message.role, "segments": [_segment_to_map(part) for part in message.segments]}
                for message in prompt.messages
            ],
        }
    )


def from_map(data: bytes) -> Prompt:
    """Read a segment map, strictly: one unknown or missing key and it is refused (UnfitSegment)."""
    try:
        found = canonical.loads(data)
    except canonical.CanonicalError as error:
        raise UnfitSegment(f"segment map: {error}") from error
    _expect_keys(found, {"version", "model", "parameters", "response_schema", "messages"})
    if found["version"] != 1:
        raise UnfitSegment("segment map: unknown version")
    schema = found["response_schema"]
    return Prompt(
        model=_declared_from_map(found["model"]),
        parameters=_declared_from_map(found["parameters"]),
        response_schema=None if schema is None else _declared_from_map(schema),
        messages=tuple(_message_from_map(message) for message in _expect_list(found["messages"])),
    )


def _declared_text(value: object) -> str:
    if type(value) is not Declared:
        raise UnfitSegment(f"model, parameters and answer schema are declared, not {type(value).__name__}")
    return visible(value.value)


def _declared_json(value: object) -> dict[str, Any]:
    try:
        found = _visible_in(canonical.parse(_declared_text(value), floats=True))
    except canonical.CanonicalError as error:
        raise UnfitSegment(f"declared JSON: {error}") from error
    if not isinstance(found, dict):
        raise UnfitSegment("declared JSON: an object is needed")
    return found


def _visible_in(value: Any) -> Any:
    """Strip the strings inside a parsed value, where escapes such as \\u200b are characters again."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [_visible_in(item) for item in value]
    if isinstance(value, dict):
        return {visible(key): _visible_in(item) for key, item in value.items()}
    return value


def _parameters(value: object) -> dict[str, Any]:
    found = _declared_json(value)
    if unknown := sorted(set(found) - PARAMETERS):
        raise UnfitSegment(f"request parameter not on the list: {', '.join(unknown)}")
    return found


def _request_message(message: object) -> dict[str, str]:
    if type(message) is not Message or message.role not in ROLES:
        raise UnfitSegment("a prompt holds Messages with a known role")
    return {"role": message.role, "content": message_text(message)}


def _response_format(schema: object) -> dict[str, Any]:
    answer = {"name": "answer", "strict": True, "schema": _declared_json(schema)}
    return {"type": "json_schema", "json_schema": answer}


def _segment_to_map(segment: Segment) -> dict[str, Any]:
    text_of(segment)
    fields = {field.name: getattr(segment, field.name) for field in dataclasses.fields(segment)}
    extra = {"sha256": segment.sha256} if isinstance(segment, Template) else {}
    return {"type": segment.type, **fields, **extra}


def _segment_from_map(found: object) -> Segment:
    kinds = {kind.type: kind for kind in SEGMENT_TYPES}
    if not isinstance(found, dict) or found.get("type") not in kinds:
        raise UnfitSegment("segment map: unknown segment type")
    kind: type[Any] = kinds[found["type"]]
    fields = {field.name for field in dataclasses.fields(kind)}
    _expect_keys(found, fields | {"type"} | ({"sha256"} if kind is Template else set()))
    values = {name: tuple(found[name]) if name == "cell" else found[name] for name in fields}
    segment: Segment = kind(**values)
    if isinstance(segment, Template) and segment.sha256 != found["sha256"]:
        raise UnfitSegment(f"segment map: template {segment.name} does not match its hash")
    return segment


def _declared_from_map(found: object) -> Declared:
    segment = _segment_from_map(found)
    if not isinstance(segment, Declared):
        raise UnfitSegment("segment map: a declared value was expected")
    return segment


def _message_from_map(found: object) -> Message:
    _expect_keys(found, {"role", "segments"})
    known = cast("dict[str, Any]", found)
    if known["role"] not in ROLES:
        raise UnfitSegment("segment map: unknown role")
    return Message(known["role"], tuple(_segment_from_map(part) for part in _expect_list(known["segments"])))


def _expect_keys(found: object, keys: set[str]) -> None:
    if not isinstance(found, dict) or set(found) != keys:
        raise UnfitSegment(f"segment map: exactly these keys are needed: {', '.join(sorted(keys))}")


def _expect_list(found: object) -> list[Any]:
    if not isinstance(found, list):
        raise UnfitSegment("segment map: a list was expected")
    return found
