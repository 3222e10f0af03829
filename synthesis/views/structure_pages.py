"""The question about a table's columns, as gate A shows it."""

from __future__ import annotations

from typing import Any

from audit import selectors as audit
from synthesis import structure_envelope
from synthesis.models import SynthesisRequest


def question(request: SynthesisRequest) -> dict[str, Any] | None:
    """The envelope of the question and its exact text, each part by its kind; None where none is asked.

    ``changed``: the text can no longer be shown as it was approved, because something it is made of has changed.
    """
    envelope = request.snapshot.get("structure")
    if envelope is None:
        return None
    prompt = structure_envelope.question(request).prompt()
    same = structure_envelope.sha256(prompt) == envelope["prompt_sha256"]
    return {"envelope": envelope, "messages": audit.message_views(prompt) if same else (), "changed": not same}
