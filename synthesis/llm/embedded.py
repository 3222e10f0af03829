"""The embedded proposer: no network and no language model, proposals from the discrepancies alone.

It answers the same recorded bytes as a remote model would, with the same kind of completion, so that an
auditor sees one kind of record. It is greedy: from the most under-represented group on, a proposal gathers
further under-represented groups that agree with it, unless an over-represented group would be fed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from synthesis.llm.base import Completion, ProviderError, Usage

Box = dict[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Group:
    """Records with these values; ``gap`` of them are missing, or too many where it is negative."""

    box: Box
    gap: int


class EmbeddedProvider:
    """Answers from the guidance in the request's last user message; the same request, the same answer."""

    def complete(self, body: bytes) -> Completion:
        """Raises ProviderError when the request holds no guidance."""
        began = time.monotonic()
        try:
            request = json.loads(body)
            guidance = _guidance([m["content"] for m in request["messages"] if m["role"] == "user"][-1])
            answer = {"proposals": plan(guidance)}
        except (ValueError, LookupError, TypeError, AttributeError) as problem:
            raise ProviderError("the request holds no guidance that the embedded proposer can read") from problem
        reply = _completion(body, str(request.get("model", "embedded")), answer)
        return Completion(reply, Usage(), time.monotonic() - began)


def plan(guidance: dict[str, Any]) -> list[dict[str, Any]]:
    """Proposals as JSON values, at most as many as asked for, sharing the records asked for by their gaps."""
    groups = [_group(each) for each in guidance["discrepancies"]]
    gathered = _gather(groups, int(guidance["proposals"]))
    wanted = sum(gap for _, gap, _ in gathered)
    columns = {column["name"]: list(column["values"]) for column in guidance["columns"]}
    return [
        {
            "values": [
                {"column": name, "allow": [value for value in values if value in box.get(name, values)]}
                for name, values in columns.items()
            ],
            "records": max(1, int(guidance["records"]) * gap // wanted),
            "reason": f"Adds to {served} under-represented group{'s' if served > 1 else ''} of {', '.join(box)}.",
        }
        for box, gap, served in gathered
    ]


def _gather(groups: list[Group], most: int) -> list[tuple[Box, int, int]]:
    """Up to ``most`` boxes, each with the gap of the group it started from and how many groups it serves."""
    missing = sorted((group for group in groups if group.gap > 0), key=lambda group: -group.gap)
    surplus = [group.box for group in groups if group.gap < 0]
    found: list[tuple[Box, int, int]] = []
    while missing and len(found) < most:
        start = missing.pop(0)
        box, served, rest = start.box, 1, []
        for other in missing:
            joined = _join(box, other.box)
            if joined is not None and not any(_inside(joined, each) for each in surplus):
                box, served = joined, served + 1
            else:
                rest.append(other)
        missing = rest
        found.append((box, start.gap, served))
    return found


def _join(first: Box, second: Box) -> Box | None:
    """What both allow, where they share a column and do not exclude each other."""
    shared = first.keys() & second.keys()
    if not shared or not all(first[column] & second[column] for column in shared):
        return None
    return {**first, **second, **{column: first[column] & second[column] for column in sorted(shared)}}


def _inside(box: Box, group: Box) -> bool:
    """Whether every record of the box belongs to the group."""
    return all(column in box and box[column] <= allowed for column, allowed in group.items())


def _group(discrepancy: dict[str, Any]) -> Group:
    box = {
        column: frozenset([values] if isinstance(values, str) else values)
        for column, values in discrepancy["where"].items()
    }
    return Group(box, int(discrepancy["target"]) - int(discrepancy["now"]))


def _guidance(text: str) -> dict[str, Any]:
    """The last JSON object in the text that has columns and discrepancies."""
    found = [each for each in _objects(text) if {"columns", "discrepancies", "proposals", "records"} <= each.keys()]
    return found[-1]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            end = at + 1
        else:
            yield value
        at = text.find("{", end)


def _completion(body: bytes, model: str, answer: dict[str, Any]) -> bytes:
    """A chat completion; its id derives from the request, so that replays agree byte for byte."""
    message = {"role": "assistant", "content": json.dumps(answer, separators=(",", ":")), "refusal": None}
    reply = {
        "id": f"embedded-{hashlib.sha256(body).hexdigest()[:24]}",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }
    return json.dumps(reply, separators=(",", ":")).encode()
