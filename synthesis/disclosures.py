"""Whether and how a request's table is compared with the rows it came from: what is asked, priced, frozen and told.

A check against raw rows is a query. So it is declared in the request, priced with it, approved at gate A, and either
charged like any other or shown to the stewards of gate C, and to auditors, alone, and then the package claims less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError

from privacy import checking, exact_counts, selectors
from privacy.accounting import rho_down
from synthesis.models import SynthesisRequest
from synthesis.states import Disclosure

Facts = dict[str, Any]

SHARE = Decimal("0.05")
"""Of a request's rho for a charged check: its two counts are then off by some dozen rows at epsilon 1."""
RADIUS = 1
"""In how many columns a neighbour may differ: to look further takes a lookup for each choice of columns."""
SHOWN_TO_STEWARDS = (
    "that stewards released this package: they saw counts without noise of how its records meet the real ones"
)
NINETEEN_IN_TWENTY = 1.959964


def check_allowed(dataset: Any, mode: str, *, reused: bool) -> None:
    """ValidationError where the dataset's owner does not allow the mode, or nothing is there to charge it to."""
    if mode != Disclosure.NONE and selectors.schema(dataset).source is not None:
        raise ValidationError({"disclosure": "These data stay in their engine, where no table is compared with them."})
    if mode != Disclosure.NONE and selectors.schema(dataset).related is not None:
        raise ValidationError({"disclosure": "Related tables cannot be compared with the rows they came from yet."})
    if mode == Disclosure.CHARGED and reused:
        raise ValidationError({"disclosure": "Statistics used again cost nothing, so no check is charged with them."})
    if mode == Disclosure.STEWARDS and not selectors.schema(dataset).uses.exact_checks:
        raise ValidationError({"disclosure": "The owner does not allow counts of this dataset without noise."})


def check_held_back(dataset: Any, wanted: bool, *, reused: bool) -> None:
    """ValidationError where the dataset has no pair of columns to hold back."""
    if wanted and selectors.schema(dataset).related is not None:
        raise ValidationError({"held_back": "Of related tables no table is held back yet."})
    if wanted and len(selectors.domain(dataset).columns) < 2:
        raise ValidationError({"held_back": "This dataset has one column, so there is no pair to hold back."})
    if wanted and reused:
        raise ValidationError({"held_back": "Nothing is measured, so nothing can be held back."})


def rho_of(request: SynthesisRequest) -> Decimal:
    """What of the request's rho pays for its check; the rest is its release's."""
    return rho_down(request.rho * SHARE) if request.disclosure == Disclosure.CHARGED else Decimal(0)


def frozen(request: SynthesisRequest) -> Facts | None:
    """What gate A approves of the check; None where none is asked for."""
    if request.disclosure == Disclosure.NONE:
        return None
    return {"mode": request.disclosure, "radius": radius_of(request), "rho": f"{rho_of(request).normalize():f}"}


def facts_of_submission(request: SynthesisRequest) -> Facts:
    """What the log says of it, so that its verifier can tell a check that nobody asked for."""
    return {} if request.disclosure == Disclosure.NONE else {"disclosure": str(request.disclosure)}


def radius_of(request: SynthesisRequest) -> int:
    """A table of one column has no neighbours but equal ones."""
    return min(RADIUS, len(selectors.domain(request.dataset).columns) - 1)


def facts(request: SynthesisRequest) -> Facts:
    """What the package says of the check. Of an exact one that it was made, never what came out."""
    approved = request.snapshot.get("disclosure")
    if approved is None:
        return {"mode": str(Disclosure.NONE)}
    told: Facts = {"mode": approved["mode"], "radius": approved["radius"]}
    if approved["mode"] == Disclosure.STEWARDS:
        return told
    check = checking.of_request(str(request.pk))
    paid, distinct = checking.spent(str(request.pk)), request.run.handed_over.distinct
    return told | {"rho": f"{paid.normalize():f}", "distinct": distinct, "counts": counts(check.results)}


def counts(results: Sequence[Mapping[str, Any]]) -> list[Facts]:
    """Each noised count with its error bar: it is off by at most so much, 19 times in 20."""
    return [
        {
            "question": one["question"], "noised": one["count"], "sigma": round(one["sigma"], 3),
            "error_19_in_20": math.ceil(NINETEEN_IN_TWENTY * one["sigma"]), "measurement": one["measurement"],
        }
        for one in results
    ]  # fmt: skip


def is_end_to_end(request: SynthesisRequest) -> bool:
    """Whether nobody who decides is shown anything of the data without noise."""
    return request.disclosure != Disclosure.STEWARDS


def unprotected(request: SynthesisRequest) -> tuple[str, ...]:
    """What no noise protects because of the check."""
    return (SHOWN_TO_STEWARDS,) if request.disclosure == Disclosure.STEWARDS else ()


def exact(request: SynthesisRequest) -> list[dict[str, Any]]:
    """The counts without noise, for whoever ``policies.may_see_exact`` lets see them; empty in every other mode."""
    return exact_counts.opened(str(request.pk)) if request.disclosure == Disclosure.STEWARDS else []
