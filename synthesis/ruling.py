"""The hard rules of one request's table: those its owner declared, and those of a model that a steward accepted."""

from __future__ import annotations

from typing import Any

from privacy import rule_suggestions
from privacy.values import HardRule
from synthesis.models import SuggestedRule, SynthesisRequest

BY = "suggested by the language model, accepted by a steward"


def accepted(request: SynthesisRequest) -> list[dict[str, str]]:
    """What stewards have accepted so far, for the manifest: rule and reason, which says where it came from."""
    found = request.suggested_rules.filter(decision=SuggestedRule.Decision.ACCEPT)
    return [{"rule": one.rule, "reason": f"{one.reason} ({BY})".strip()} for one in found]


def frozen(request: SynthesisRequest) -> list[dict[str, str]]:
    """What the approved manifest holds of them: what was accepted later, or never, binds nothing."""
    return list(request.manifest.body.get("accepted_rules", []))


def rules(request: SynthesisRequest) -> tuple[HardRule, ...]:
    """Every rule that the records of this request keep."""
    return rule_suggestions.rules(request.dataset, frozen(request))


def in_words(request: SynthesisRequest) -> list[dict[str, Any]]:
    return rule_suggestions.in_words(request.dataset, frozen(request))
