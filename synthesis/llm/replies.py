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
SECONDS = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as received: its status, its headers by name in lower case, its body's bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def refusal(reply: Reply) -> str:
    """What a status other than 200 means, and how long the endpoint asks to wait."""
    words = CODES.get(error_code(reply.body)) or STATUSES.get(reply.status) or _by_class(reply.status)
    wait = reply.headers.get("retry-after", "")
    asked = f"; it asks to wait {wait} s" if SECONDS.fullmatch(wait) else ""
    return f"{words} (status {reply.status}){asked}"


def _by_class(status: int) -> str:
    if 300 <= status < 400:
        return "the endpoint points to another address, which is not followed"
    return "the endpoint failed" if status >= 500 else "the endpoint gave no answer"


def error_code(body: bytes) -> str:
    """The error's code, where the body is an error as OpenAI writes them; otherwise an empty string."""
    found = loaded(body).get("error")
    code = found.get("code") if isinstance(found, dict) else None
    return code if isinstance(code, str) else ""


def usage_of(body: bytes) -> Usage | None:
    """The tokens a chat completion says it took; None where it says nothing that can be read."""
    told = loaded(body).get("usage")
    counts = [told.get(name) for name in ("prompt_tokens", "completion_tokens")] if isinstance(told, dict) else [None]
    return Usage(*counts) if all(type(each) is int and 0 <= each <= MOST_TOKENS for each in counts) else None


def loaded(body: bytes) -> dict[str, Any]:
    """The JSON object in these bytes; an empty one where there is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
