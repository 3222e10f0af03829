"""The facts behind a package's register papers: what was declared, asked and decided. No row, no count of rows."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from privacy import selectors
from synthesis.models import SynthesisRequest
from synthesis.opening import GRANT_DAYS

Facts = dict[str, Any]

TO_STATE = "to be stated by the controller"
CONTROLLER = ("name", "contact", "officer", "type", "sector", "region")
"""What ``CONTROLLER`` in the settings may hold; what it does not hold is left open in words, never guessed."""


def entry(request: SynthesisRequest) -> Facts:
    schema = selectors.schema(request.dataset)
    return {
        "controller": controller(settings.CONTROLLER),
        "purpose": request.purpose,
        "context": request.context,
        "targets": list(request.targets),
        "population": schema.population,
        "purposes": list(schema.purposes),
        "columns": [column(one) for one in selectors.dictionary(request.dataset)],
        "endpoint": endpoint(request),
        "days": GRANT_DAYS,
    }


def controller(told: Facts) -> dict[str, str]:
    return {name: str(told.get(name) or TO_STATE) for name in CONTROLLER}


def column(one: selectors.ColumnFacts) -> Facts:
    return {
        "name": one.name, "kind": one.kind, "title": one.title, "description": one.description, "values": one.size,
        "missing": one.nullable, "found": bool(one.keys),
    }  # fmt: skip


def endpoint(request: SynthesisRequest) -> Facts | None:
    """Where a language model answered, None where none was asked."""
    if request.endpoint is None:
        return None
    return {"name": request.endpoint.name, "model": request.endpoint.model, "local": request.endpoint.is_local}
