"""What may be asked for, and what it costs: checked when a request is made, changed and submitted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from privacy import accounting, discoveries, selectors
from synthesis import disclosures, references, reusing, what_if
from synthesis.states import Disclosure, Proposer

EDITABLE = (
    "title", "purpose", "context", "targets", "rows", "epsilon", "delta", "proposer", "endpoint", "takeover",
    "what_if", "structuring", "about", "disclosure", "held_back",
    "use", "use_by", "reused_id",
)  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "targets": [], "takeover": True, "what_if": "", "structuring": False, "about": "",
    "disclosure": Disclosure.NONE, "held_back": False, "use": "", "use_by": "", "reused_id": None,
}  # fmt: skip
SMALLEST_DELTA = Decimal("1e-12")


def priced(*, epsilon: Decimal, delta: Decimal, dataset: Any = None) -> Decimal:
    """The largest rho that keeps the promise (epsilon, delta), rounded down.

    What key discovery of the dataset spends of delta is left out of the conversion.
    """
    if not delta.is_finite() or not SMALLEST_DELTA <= delta < 1:
        rule = "delta must lie between 0 and 1, and be at least 1e-12"
        raise ValidationError({"delta": f"{rule}; a common choice is 1 divided by ten times the population."})
    if not epsilon.is_finite() or not 0 < epsilon <= 100:
        raise ValidationError({"epsilon": "epsilon must be greater than 0 and at most 100."})
    searching = discoveries.delta_of(dataset) if dataset else Decimal(0)
    if delta <= searching:
        rule = f"delta must be above {searching.normalize():g}, which finding unknown categories spends"
        raise ValidationError({"delta": f"{rule} in each release of this dataset."})
    return accounting.rho_for(epsilon=epsilon, delta=delta - searching)


def check_affordable(*, dataset: Any, rho: Decimal, delta: Decimal) -> None:
    """Refuse now what the ledger would refuse later; the ledger's own check is the one that binds."""
    budget = selectors.budget(dataset.population_id)
    if rho > budget.left:
        for_rho = delta - discoveries.delta_of(dataset)
        left = accounting.epsilon_for(rho=budget.left, delta=for_rho).quantize(Decimal("0.01"), "ROUND_DOWN")
        rule = "epsilon is above what the population's cap has left"
        raise ValidationError({"epsilon": f"{rule}: about {left} at this delta."})
    if discoveries.delta_of(dataset) > budget.left_delta:
        rule = "the population's cap has too little delta left to find unknown categories once more"
        raise ValidationError({"dataset": f"{rule}."})


def terms_of(*, dataset: Any, reused_id: Any = None, **fields: Any) -> dict[str, Any]:
    """Epsilon, delta and rho of a request: as asked, and within the cap; or as paid for what is used again."""
    if reused_id:
        return reusing.terms(dataset, reused_id)
    asked = {name: fields[name] for name in ("epsilon", "delta")}
    rho = priced(**asked, dataset=dataset)
    check_affordable(dataset=dataset, rho=rho, delta=asked["delta"])
    return asked | {"rho": rho}


def check_proposer(*, dataset: Any, **fields: Any) -> None:
    if fields["proposer"] == Proposer.OPENAI and not fields.get("endpoint"):
        raise ValidationError({"endpoint": "Choose the endpoint the language model answers at."})
    if fields["proposer"] == Proposer.PUBLIC and references.chosen(dataset=dataset, proposer=Proposer.PUBLIC) is None:
        raise ValidationError({"proposer": "The owner attached no public reference table to this dataset."})
    if fields["structuring"] and fields["proposer"] != Proposer.OPENAI:
        raise ValidationError({"structuring": "Only a language model can be asked about the columns."})
    if fields["structuring"] and fields["reused_id"]:
        raise ValidationError({"structuring": "Nothing is measured, so there is nothing to ask about first."})
    if fields["about"] and not fields["structuring"]:
        raise ValidationError({"about": "It is told when the model is asked about the columns, and only then."})


def check_related(dataset: Any, **fields: Any) -> None:
    """Members are made from statistics alone, so that not every wish for a single table can be met."""
    if selectors.schema(dataset).related is None:
        return
    if fields["proposer"] != Proposer.EMBEDDED:
        rule = "Related tables are made with the embedded proposer alone: no language model and no reference table"
        raise ValidationError({"proposer": f"{rule} knows of members of a unit yet."})
    if fields["targets"]:
        raise ValidationError({"targets": "Of related tables the same tables are measured whatever is of interest."})


def check_wish(*, dataset: Any, **fields: Any) -> None:
    """ValidationError that names the field and the rule of the first thing that cannot be asked for."""
    check_related(dataset, **fields)
    check_proposer(dataset=dataset, **fields)
    if fields["rows"] > settings.LIMITS["synthetic_rows"]:
        raise ValidationError({"rows": f"At most {settings.LIMITS['synthetic_rows']} rows can be asked for."})
    if not selectors.is_ready(dataset):
        raise ValidationError({"dataset": "This dataset has no accepted data yet."})
    public = {column.name for column in selectors.dictionary(dataset, public_only=True)}
    targets = fields["targets"]
    if problem := what_if.problem_of(fields["what_if"], proposer=fields["proposer"], told=bool(public)):
        raise ValidationError({"what_if": problem})
    disclosures.check_allowed(dataset, fields["disclosure"], reused=bool(fields["reused_id"]))
    disclosures.check_held_back(dataset, fields["held_back"], reused=bool(fields["reused_id"]))
    if not set(targets) <= public or len(set(targets)) != len(targets):
        raise ValidationError({"targets": "Columns of interest are columns with public names, each named once."})
