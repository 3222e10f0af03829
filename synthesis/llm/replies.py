"""Reading what an endpoint replied without trusting or quoting it: errors in our own words, and token counts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthesis.llm.base import Usage

MOST_TOKENS = 10**9
STATUSES = {
    400: "the endpoint does not accept the request",
    401: "the endpoint does not accept the key",
    403: "the key may not be used for this",
    404: "the endpoint does not know this model or address",
    408: "the endpoint gave up waiting",
    413: "the request is too large for the endpoint",
    422: "the endpoint does not accept the request",
    429: "the endpoint is over its rate limit",
}
CODES = {
    "context_length_exceeded": "the prompt is longer than the model's context",
    "model_not_found": "the endpoint does not know this model",
    "invalid_api_key": "the endpoint does not accept the key",
    "insufficient_quota": "the account at the endpoint has no credit left",
    "content_filter": "the endpoint's content filter stopped the request",
}
TYPES = {"exceed_context_size_error": CODES["context_length_exceeded"]}
"""What llama.cpp's server calls its errors."""
FIELDS = ("temperature", "seed", "response_format", "max_completion_tokens", "max_tokens")
SECONDS = re.compile(r"[0-9]{1,5}")
CONTEXT = re.compile(r"maximum context length is ([0-9]{1,9}) tokens")
CONTEXT_NAMES = ("max_model_len", "context_length", "context_window", "max_context_length")
OUTPUT_NAMES = ("max_completion_tokens", "max_output_tokens")
"""By which names lists of models tell how much fits, from vLLM's to those of resellers."""
RATES = {
    "rate_requests": "x-ratelimit-limit-requests",
    "rate_tokens": "x-ratelimit-limit-tokens",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as received: its status, its headers by name in lower case, its body's bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def refusal(reply: Reply) -> str:
    """What a reply that is no answer means, and how long the endpoint asks to wait."""
    words = CODES.get(error_code(reply.body)) or TYPES.get(_error_text(reply.body, "type")) or _by_field(reply)
    if context := context_of(reply.body):
        words = f"{CODES['context_length_exceeded']} of {context} tokens"
    asked = f"; it asks to wait {wait} s" if (wait := wait_of(reply)) else ""
    return f"{words} (status {reply.status}){asked}"


def wait_of(reply: Reply) -> int:
    """Whole seconds that the endpoint asks to wait; 0 where it does not."""
    told = reply.headers.get("retry-after", "")
    return int(told) if SECONDS.fullmatch(told) else 0


def _by_field(reply: Reply) -> str:
    """Names the field that is not accepted, if it is one that is ever sent; the endpoint's own words stay there."""
    field = _error_text(reply.body, "param")
    if reply.status in (400, 422) and field in FIELDS:
        return f"the endpoint does not accept {field}"
    return STATUSES.get(reply.status) or _by_class(reply.status)


def _by_class(status: int) -> str:
    if 300 <= status < 400:
        return "the endpoint points to another address, which is not followed"
    return "the endpoint failed" if status >= 500 else "the endpoint gave no answer"


def is_error(reply: Reply) -> bool:
    """Whether this is no answer. Some servers put an error's text under status 200."""
    found = loaded(reply.body)
    return reply.status != 200 or (isinstance(found.get("error"), dict) and "choices" not in found)


def error_code(body: bytes) -> str:
    """The error's code, where the body is an error as OpenAI writes them; otherwise an empty string."""
    return _error_text(body, "code")


def _error_text(body: bytes, name: str) -> str:
    told = _error(body).get(name)
    return told if isinstance(told, str) else ""


def _error(body: bytes) -> dict[str, Any]:
    """The error's own object; older servers put its fields at the top."""
    whole = loaded(body)
    found = whole.get("error", whole if whole.get("object") == "error" else None)
    return found if isinstance(found, dict) else {}


def context_of(body: bytes) -> int:
    """Tokens of context that an error tells of; 0 where it does not."""
    told = _error(body).get("n_ctx") if _error_text(body, "type") in TYPES else None
    if found := CONTEXT.search(_error_text(body, "message")):
        return int(found[1])
    return int(told or 0) if _counts(told) else 0


def limits_of(body: bytes, model: str) -> dict[str, int]:
    """Context and longest answer of a model in tokens, as a list of models tells them; 0 where it does not."""
    found = _entry(body, model) or {}
    top = found.get("top_provider")
    places = [found, top] if isinstance(top, dict) else [found]
    return {"context": _first(places, CONTEXT_NAMES), "output": _first(places, OUTPUT_NAMES)}


def listed(body: bytes, model: str) -> bool | None:
    """Whether a list of models holds this one; None where the body is no such list."""
    return None if not isinstance(loaded(body).get("data"), list) else _entry(body, model) is not None


def _entry(body: bytes, model: str) -> dict[str, Any] | None:
    data = loaded(body).get("data")
    entries = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    return next((one for one in entries if one.get("id") == model), None)


def _first(places: list[dict[str, Any]], names: tuple[str, ...]) -> int:
    return next((place[name] for place in places for name in names if _counts(place.get(name)) and place[name]), 0)


def _counts(told: Any) -> bool:
    return type(told) is int and 0 <= told <= MOST_TOKENS


def rates_of(headers: Mapping[str, str]) -> dict[str, int]:
    """Requests and tokens that may be sent in a minute, where the headers tell."""
    told = {name: headers.get(header, "") for name, header in RATES.items()}
    return {name: int(value) for name, value in told.items() if value.isascii() and value.isdigit() and len(value) < 10}


def content_of(body: bytes) -> str | None:
    """The text of a chat completion; None where there is none."""
    try:
        found = loaded(body)["choices"][0]["message"]["content"]
    except (LookupError, TypeError):
        return None
    return found if isinstance(found, str) and found else None


def usage_of(body: bytes) -> Usage | None:
    """The tokens a chat completion says it took; None where it says nothing that can be read."""
    told = loaded(body).get("usage")
    counts = [told.get(name) for name in ("prompt_tokens", "completion_tokens")] if isinstance(told, dict) else [None]
    return Usage(*counts) if all(_counts(each) for each in counts) else None


def loaded(body: bytes) -> dict[str, Any]:
    """The JSON object in these bytes; an empty one where there is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
