"""What gate A approves of the question about a table's columns: where it goes, every byte of it, what it may cost."""

from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from audit.rendering import render
from audit.segments import Prompt, approved_at_gate_a
from privacy import selectors
from synthesis import costs, envelope
from synthesis.manners import Manner
from synthesis.models import SynthesisRequest
from synthesis.prompts import TooLong, column_code
from synthesis.structure_prompts import TEMPLATES, Question


def question(request: SynthesisRequest, *, manner: Manner | None = None) -> Question:
    """The question of a submitted request, or what a draft would ask in this ``manner``."""
    kept = manner or Manner.from_json(request.snapshot["structure"]["manner"])
    return Question(
        selectors.dictionary(request.dataset),
        source=f"dataset:{request.dataset_id}:declaration",
        model=request.provider.model,
        manner=kept,
        about=request.about,
        approval=approved_at_gate_a(str(request.pk)) if request.about else "",
    )


def describe(request: SynthesisRequest) -> dict[str, Any] | None:
    """The envelope as plain JSON; None where nobody asks, ValidationError where the question does not fit."""
    if not request.structuring:
        return None
    manner = envelope.manner(request)
    asked = question(request, manner=manner)
    try:
        prompt = asked.prompt()
    except TooLong:
        rule = "the table's columns alone are longer than the endpoint can read. Leave this question out"
        raise ValidationError({"structuring": f"{rule}, or choose another endpoint."}) from None
    return {
        **request.provider.as_json(),
        "templates": [{"name": template.name, "sha256": template.sha256} for template in TEMPLATES],
        "manner": manner.as_json(),
        "parameters_sha256": envelope.fingerprint(prompt.parameters),
        "answer_schema_sha256": envelope.fingerprint(prompt.response_schema),
        "prompt_sha256": sha256(prompt),
        "release": "",
        "statistics": [],
        "columns": [{"code": column_code(place), "values": 0} for place in range(len(asked.columns))],
        "kinds": sorted({column.kind for column in asked.columns}),
        "declared": selectors.public_facts(request.dataset),
        "free_text": [{"approval": asked.approval, "text": asked.about}] if asked.about else [],
        "caps": caps(request, prompt),
    }


def caps(request: SynthesisRequest, prompt: Prompt) -> dict[str, Any]:
    """As much as the attempts at this one prompt can cost, and no more."""
    most = costs.bound_of(prompt)
    return {
        "calls": envelope.ATTEMPTS,
        "attempts_per_step": envelope.ATTEMPTS,
        **costs.caps_for(request),
        "tokens": envelope.ATTEMPTS * (most.prompt_tokens + most.completion_tokens),
        "seconds": envelope.ATTEMPTS * settings.DOOR_LEASE_SECONDS,
    }


def sha256(prompt: Prompt) -> str:
    return hashlib.sha256(render(prompt)).hexdigest()
