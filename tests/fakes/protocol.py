"""What an OpenAI-compatible endpoint puts on the wire: completions, errors, lists of models.

The shapes are checked against the openai package's own types in tests/unit/test_fake_endpoint.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. ``wait``: seconds before it; ``drip``: seconds before each further byte of the body.

    ``chunks`` sends a body of any length without holding it; ``declared``: the Content-Length told, where it lies.
    ``status`` 0 hangs up without a word.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    drip: float = 0.0
    chunks: Callable[[], Iterator[bytes]] | None = None
    declared: int | None = None


QUESTIONS = {"discrepancies", "assumption", "instruction"}
"""Of these one is in every guidance."""
Answer = Reply | tuple[int, bytes]
Behaviour = Callable[[bytes], Answer]


def completion(
    content: str | None,
    *,
    model: str = "stand-in",
    finish_reason: str = "stop",
    told: int = 100,
    said_in: int = 20,
    **message: Any,
) -> bytes:
    """The bytes of a chat completion with this content; ``told`` and ``said_in``: tokens of prompt and answer."""
    said = {"role": "assistant", "content": content, "refusal": None, **message}
    reply: dict[str, Any] = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": int(time.time()), "model": model,
        "choices": [{"index": 0, "message": said, "finish_reason": finish_reason, "logprobs": None}],
        "usage": {"prompt_tokens": told, "completion_tokens": said_in, "total_tokens": told + said_in},
    }  # fmt: skip
    return json.dumps(reply).encode()


def error(message: str, *, kind: str, code: str | None = None, param: str | None = None) -> bytes:
    """The bytes of an error, as OpenAI writes them."""
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


def models(*names: str, **facts: Any) -> bytes:
    """The bytes of a list of models; further facts, such as vLLM's max_model_len, stand beside each."""
    found = [{"id": name, "object": "model", "created": 1700000000, "owned_by": "stand-in", **facts} for name in names]
    return json.dumps({"object": "list", "data": found}).encode()


def guidance_of(body: bytes) -> dict[str, Any]:
    """The guidance JSON inside the last user message; ValueError where there is none.

    That of a what-if has an assumption instead of discrepancies, of which there are then none. That of texts has an
    instruction and records to write for; it has no columns either.
    """
    found = json.loads(json.loads(body)["messages"][-1]["content"])
    if not isinstance(found, dict) or not QUESTIONS & found.keys():
        raise ValueError("no guidance")
    if about_texts(found):
        found["proposals"] = len(found["records"])
    return {"discrepancies": [], "columns": [], **found}


def about_texts(guidance: dict[str, Any]) -> bool:
    """Whether texts are asked for, and not groups of records."""
    return "instruction" in guidance


def proposal(guidance: dict[str, Any], where: Mapping[str, list[str]], records: int, reason: str) -> dict[str, Any]:
    """A proposal in the asked form: these values, every other column free. Or a text, for the first record."""
    if about_texts(guidance):
        return {"record": 1, "text": reason}
    values = [
        {"column": column["name"], "allow": list(where.get(column["name"], column["values"]))}
        for column in guidance["columns"]
    ]
    return {"values": values, "records": records, "reason": reason}


def proposing(*proposals: dict[str, Any]) -> tuple[int, bytes]:
    """An answer that holds these proposals, or texts."""
    name = "texts" if any("text" in each for each in proposals) else "proposals"
    return 200, completion(json.dumps({name: proposals}))


def missing(guidance: dict[str, Any]) -> list[dict[str, Any]]:
    """The discrepancies of which there are too few records, largest gap first."""
    short = [found for found in guidance["discrepancies"] if found["target"] > found["now"]]
    return sorted(short, key=lambda found: found["now"] - found["target"])
