"""Asking for a rehearsal, and what becomes of it. A worker carries it out elsewhere; the row is the queue.

A rehearsal is made once a snapshot: its figures follow from the declaration, the plan and a fixed seed, so a second
one would say the same. One that came to nothing may be asked for again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit import events, messages
from audit.actors import actor
from privacy import accounting
from privacy import selectors as privacy
from synthesis.models import Simulation, SynthesisRequest
from synthesis.workflow import REVIEW

TASK = "llmsynthor_site.tasks.simulate"
LONGEST = timedelta(minutes=4)
"""What one epsilon may take; it is given up then."""
FACTORS = (Decimal("0.5"), Decimal(1), Decimal(2))
SHOWN = 40
"""Tables that are kept of each forecast: the worst."""
LOST = "whoever computed it was lost; ask again"


def price(request: SynthesisRequest, factor: Decimal) -> tuple[Decimal, Decimal]:
    """Epsilon and rho at so many times what was asked, at most all of the declared cap."""
    searching = privacy.schema(request.dataset).searches
    delta = request.delta - sum((search.delta for search in searching), Decimal(0))
    rho = accounting.rho_for(epsilon=request.epsilon * factor, delta=delta)
    return request.epsilon * factor, min(rho, privacy.schema(request.dataset).cap_rho)


@transaction.atomic
def ask_for(*, by: Any, request: SynthesisRequest) -> Simulation:
    """The rehearsal of the snapshot that is up for decision: the one there is, or a new one that waits for a worker."""
    if not by.has_perm(REVIEW):
        raise PermissionDenied("Data stewards have a plan rehearsed.")
    request = SynthesisRequest.objects.select_for_update().get(pk=request.pk)
    if not request.content_hash:
        raise ValidationError("There is no plan before the request is submitted.")
    if privacy.schema(request.dataset).related is not None:
        raise ValidationError("Plans of single tables can be rehearsed, those of related tables not yet.")
    found, made = Simulation.objects.get_or_create(
        request=request, content_hash=request.content_hash, defaults={"asked_by": actor(by)}
    )
    if not made and found.finished_at and not found.found:
        made = bool(Simulation.objects.filter(pk=found.pk).update(started_at=None, finished_at=None, problem=""))
    if made:
        facts = {"request": str(request.pk), "content_hash": request.content_hash}
        events.record(action="synthesis:simulation:asked", by=actor(by), subject=f"request:{request.pk}", facts=facts)
        transaction.on_commit(lambda: kick(found))
    return found


def kick(simulation: Simulation) -> None:
    """Tell the workers. A message that is lost costs only time: the sweeper kicks again."""
    messages.tell(TASK, simulation.pk)


def sweep() -> None:
    """Kick what waits, and close what was lost."""
    for lost in Simulation.objects.filter(started_at__lt=timezone.now() - 4 * LONGEST, finished_at=None):
        conclude(lost, [], LOST)
    for waiting in messages.some(Simulation.objects.filter(started_at=None).order_by("asked_at")):
        kick(waiting)


def claim(pk: str) -> Simulation | None:
    """The rehearsal, if it is there to take."""
    if not Simulation.objects.filter(Q(started_at=None), pk=pk).update(started_at=timezone.now()):
        return None
    return Simulation.objects.select_related("request__dataset").get(pk=pk)


def conclude(simulation: Simulation, found: Sequence[dict[str, Any]], problem: str) -> None:
    kept = {"finished_at": timezone.now(), "found": list(found), "problem": problem[:200]}
    Simulation.objects.filter(pk=simulation.pk, finished_at=None).update(**kept)


def in_short(epsilon: Decimal, forecast: dict[str, Any]) -> dict[str, Any]:
    """What is kept of one forecast (``privacy.planning.Forecast.to_json``): a few figures, and the worst tables."""
    tables = forecast["tables"]
    single = [one for one in tables if len(one["columns"]) == 1]
    fitted = sorted((one for one in tables if one["fitted_tvd"] is not None), key=lambda one: -one["fitted_tvd"])
    return {
        "epsilon": f"{epsilon.normalize():f}", "rho": forecast["rho"], "rows": forecast["rows"], "bought": len(tables),
        "columns_off_by": max((one["margin"] for one in single), default=None),
        "columns_tvd": mean([one["fitted_tvd"] for one in fitted if len(one["columns"]) == 1]),
        "pairs_tvd": mean([one["fitted_tvd"] for one in fitted if len(one["columns"]) > 1]),
        "tables": fitted[:SHOWN],
    }  # fmt: skip


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
