"""How whole endpoints behave, field by field: what they take, enforce, cut off and tell. For probes.

A model of so many tokens of context that counts a token for every two bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes import structures
from tests.fakes.behaviours import enforcing
from tests.fakes.protocol import QUESTIONS, Behaviour, Reply, completion, error

BYTES_A_TOKEN = 2
THOUGHT = 700  # tokens it takes to count to 200


@dataclass(frozen=True)
class Kind:
    """``refuses``: fields it gives status 400 for. ``bounds``: fields that bound an answer here; others are ignored.

    ``answer``: what answers a prompt of the product once it fits. ``cuts``: reads the end of a longer text, silently.
    ``as_llama``: refuses a longer one under status 200.
    """

    answer: Behaviour = enforcing
    context: int = 128_000
    refuses: frozenset[str] = frozenset()
    bounds: frozenset[str] = frozenset({"max_tokens", "max_completion_tokens"})
    enforces: bool = True
    cuts: bool = False
    as_llama: bool = False
    reports: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, body: bytes) -> Reply:
        request = json.loads(body)
        if refused := sorted(self.refuses & request.keys()):
            told = f"Unsupported parameter: '{refused[0]}' is not supported with this model."
            return Reply(400, error(told, kind="invalid_request_error", param=refused[0]))
        read = len("".join(message["content"] for message in request["messages"])) // BYTES_A_TOKEN
        room = max((request[name] for name in self.bounds & request.keys()), default=0)
        if read + room > self.context and not self.cuts:
            return self.too_long(read)
        return Reply(200, self.said(request, body, min(read, self.context)), self.headers)

    def too_long(self, read: int) -> Reply:
        if self.as_llama:
            problem = {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": read, "n_ctx": self.context,
                    "message": "the request exceeds the available context size"}  # fmt: skip
            return Reply(200, json.dumps({"error": problem}).encode())
        told = f"This model's maximum context length is {self.context} tokens. However, your messages are longer."
        return Reply(400, error(told, kind="invalid_request_error", code="context_length_exceeded", param="messages"))

    def said(self, request: dict[str, Any], body: bytes, read: int) -> bytes:
        text = request["messages"][-1]["content"]
        if any(f'"{kind}"' in text for kind in QUESTIONS) or structures.columns_of(body) is not None:
            made = self.answer(body)
            return made.body if isinstance(made, Reply) else made[1]
        if "response_format" in request and self.enforces:
            return enforcing(body)[1]
        bounds = [request[name] for name in self.bounds & request.keys()]
        counting = min([THOUGHT, *bounds]) if text.startswith("Count") else 2
        reply = completion("hello", told=read, said_in=counting)
        return reply if self.reports else reply.replace(b'"usage"', b'"used"')


KINDS: dict[str, Kind] = {
    "hosted": Kind(headers={"x-ratelimit-limit-requests": "500", "x-ratelimit-limit-tokens": "200000"}),
    "reasoning": Kind(refuses=frozenset({"temperature", "max_tokens"})),
    "vllm": Kind(context=8192),
    "ollama": Kind(context=4096, bounds=frozenset({"max_tokens"}), cuts=True),
    "llama.cpp": Kind(context=4096, as_llama=True),
    "plain": Kind(enforces=False, refuses=frozenset({"max_completion_tokens", "seed"}), reports=False),
    "no-forms": Kind(refuses=frozenset({"response_format"})),
}
