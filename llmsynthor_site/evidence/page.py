"""The readable part of a pack: one HTML file that needs no script, no network and no other file."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from audit import documents, selectors
from audit.leaves import Leaf

if TYPE_CHECKING:
    from llmsynthor_site.evidence.making import Told


def render(told: Told, requests: Sequence[dict[str, Any]]) -> str:
    """The whole page. What it shows of prompts comes from the bodies in the same pack."""
    inside = set(told.chosen.entries)
    entries = [leaf for leaf in told.leaves if leaf.index in inside]
    context = {
        "told": told,
        "requests": [_story(one, entries, inside) for one in requests],
        "entries": entries,
        "holds": told.report.verdict == "holds",
    }
    return documents.written("evidence/index.html", context)


def _story(facts: dict[str, Any], entries: Sequence[Leaf], inside: set[int]) -> dict[str, Any]:
    records = selectors.prompts_of(facts["run"]["id"]) if facts["run"] else ()
    prompts = [selectors.prompt_view(record) for record in records if record.intent_index in inside]
    steps = [leaf for leaf in entries if leaf.facts.get("request") == facts["id"] and "to" in leaf.facts]
    return facts | {
        "prompts": prompts,
        "steps": steps,
        "spent": sum((Decimal(one["rho"]) for one in facts["statistics"]), Decimal(0)),
    }
