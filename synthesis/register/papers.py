"""All papers of a package, by file name."""

from __future__ import annotations

from typing import Any

from audit import documents
from synthesis.models import SynthesisRequest
from synthesis.register import deciding, deployments, processing
from synthesis.register.entry import TO_STATE, entry
from synthesis.report import disclosure

Facts = dict[str, Any]

TEMPLATES = {"datacard.md": "package/datacard.md", "dpia.md": "package/dpia.md"}


def papers(request: SynthesisRequest, facts: Facts, report: Facts) -> dict[str, str]:
    """Text by file name. ``facts`` are what the package says of itself, ``report`` is its quality.json."""
    told = entry(request)
    return written(facts, report, told)


def written(facts: Facts, report: Facts, told: Facts) -> dict[str, str]:
    words = {"facts": facts, "report": report, "entry": told, "open": TO_STATE}
    words |= {"measuring": deciding.measuring(facts), "decided": deciding.in_words(facts, told)}
    words |= {"checked": disclosure.sentences(facts.get("disclosure"))}
    return {
        **{name: documents.written(template, words) for name, template in TEMPLATES.items()},
        "deployment.yaml": deployments.deployment(facts, told),
        "processing.csv": processing.record(facts, told),
    }
