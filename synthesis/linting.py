"""What most often makes reviewers send a request back, told before it is submitted.

It reads the request, what the owner declared and whether the cap has room, never data. Nothing here stops a
submission: the ledger and the stewards decide.
"""

from __future__ import annotations

from decimal import Decimal

from privacy import selectors
from synthesis.models import SynthesisRequest

SHORT, STRONG, FEW = 60, Decimal(3), 10


def findings(request: SynthesisRequest) -> list[str]:
    """Advice in words, most telling first; empty where nothing stands out."""
    found = [*beyond(request), *said_too_little(request), *strong(request), *unmeasured(request), *rare(request)]
    return [one for one in found if one]


def beyond(request: SynthesisRequest) -> list[str]:
    """More than the cap has left: it tells what submitting would tell by its refusal, and no figure."""
    if request.rho <= selectors.budget(request.dataset.population_id).left:
        return []
    return [
        "More privacy loss is asked for than the cap has left. It cannot be submitted so: ask for a smaller epsilon."
    ]


def said_too_little(request: SynthesisRequest) -> list[str]:
    """Purpose and context in so few words that nobody can weigh them."""
    found = []
    if len(request.purpose.strip()) < SHORT:
        found.append("The purpose is very short. Say which question the table will answer, and why it needs an answer.")
    if len(request.context.strip()) < SHORT:
        found.append("The context is very short. Say who will use the table, where it is kept and what is published.")
    if request.purpose.strip() == request.context.strip():
        found.append("Purpose and context say the same: the context is about people, places and publications.")
    return found


def strong(request: SynthesisRequest) -> list[str]:
    """A privacy loss that reviewers ask about; judged by epsilon alone, since how much a cap has left is not public."""
    if request.epsilon <= STRONG:
        return []
    return [f"Epsilon is above {STRONG}. Say in the purpose why a smaller one would not do: reviewers will ask."]


def unmeasured(request: SynthesisRequest) -> list[str]:
    """No column of interest: what is measured is then chosen by noised comparisons alone."""
    public = selectors.dictionary(request.dataset, public_only=True)
    if request.targets or len(public) < 3:
        return []
    return ["No column of interest is named: a pair of columns that you need may never be measured. Name them."]


def rare(request: SynthesisRequest) -> list[str]:
    """Declared categories so many that most of them would stand for a handful of synthetic rows."""
    public = selectors.dictionary(request.dataset, public_only=True)
    wide = [one.name for one in public if one.size * FEW > request.rows]
    if not wide:
        return []
    named = ", ".join(wide[:5]) + (" and others" if len(wide) > 5 else "")
    return [f"With {request.rows:,} rows most categories of {named} hold fewer than {FEW}: nothing holds of them."]
