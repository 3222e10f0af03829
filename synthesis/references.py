"""Public reference tables: attached by a dataset's owner, learned once, kept with their hash, used by requests."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction

from audit import events
from audit.actors import actor
from privacy import selectors
from synthesis.hashing import hash_of
from synthesis.loop import ProposalPlan, mixtures
from synthesis.models import Reference, SynthesisRequest
from synthesis.states import Proposer

REGISTER = "privacy.register_dataset"


@transaction.atomic
def attach(*, by: Any, dataset: Any, plan: ProposalPlan, file_sha256: str, rows: int) -> Reference:
    """Keep what was learned from a table that its owner declares public; later requests may ask for it.

    PermissionDenied for anybody but the dataset's owner.
    """
    if not by.has_perm(REGISTER) or dataset.owner_id != by.pk:
        raise PermissionDenied("Only the owner of a dataset attaches a public reference table to it.")
    kept = mixtures.to_json(plan)
    reference = Reference.objects.create(
        dataset=dataset, rows=rows, file_sha256=file_sha256, plan=kept, content_hash=hash_of(kept), declared_by=by
    )
    events.record(
        action="synthesis:reference:attached",
        by=actor(by),
        subject=f"dataset:{dataset.pk}",
        facts=facts(reference),
    )
    return reference


def chosen(*, dataset: Any, proposer: str) -> Reference | None:
    """The reference table a request would use: the dataset's latest, if it asks for one at all."""
    return Reference.objects.filter(dataset=dataset).first() if proposer == Proposer.PUBLIC else None


def facts(reference: Reference) -> dict[str, Any]:
    """What the log, the snapshot and the package say of it."""
    return {
        "reference": str(reference.pk),
        "dataset": str(reference.dataset_id),
        "rows": reference.rows,
        "file_sha256": reference.file_sha256,
        "components": len(reference.plan["weights"]),
        "components_sha256": reference.content_hash,
    }


def facts_of(request: SynthesisRequest) -> dict[str, Any] | None:
    """The facts of the reference table that a request asks for, if it asks for one."""
    return facts(request.public_reference) if request.public_reference is not None else None


def supposed(request: SynthesisRequest) -> ProposalPlan | None:
    """What the loop supposes for this request, as it was recorded; ValueError where the record was changed."""
    reference = request.public_reference
    if reference is None or request.proposer != Proposer.PUBLIC:
        return None
    if hash_of(reference.plan) != request.snapshot["reference"]["components_sha256"]:
        raise ValueError("the reference table's components are not those that were approved")
    return mixtures.from_json(reference.plan, selectors.domain(request.dataset))
