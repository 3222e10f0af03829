"""What the schema says of every endpoint alike: refusals are problem details, and POSTs take an idempotency key."""

from __future__ import annotations

from typing import Any

from llmsynthor_site.api.problems import TYPE

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Problem details (RFC 9457). Errors name a field, or a column, and a rule; never a cell's value.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "rule": {"type": "string"},
                    "line": {"type": "integer"},
                    "count": {"type": "integer"},
                },
                "required": ["field", "rule"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 100},
    "description": "A call that is sent again under the same key is answered as before, and changes nothing.",
}
REFUSED = {"description": "Refused", "content": {TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def with_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    for methods in result["paths"].values():
        for method, operation in methods.items():
            operation["responses"]["4XX"] = REFUSED
            if method == "post":
                operation.setdefault("parameters", []).append(KEY)
    return result
