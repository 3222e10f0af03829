"""What a check leaves behind: privacy loss that it will never spend goes back, and exact counts end with their gate."""

from __future__ import annotations

from privacy import checking, exact_counts, ledger
from synthesis.models import SynthesisRequest
from synthesis.states import RequestState as S
from synthesis.transitions import DECIDED, SEES_EXACT, SYSTEM

OVER = (S.REJECTED, S.FAILED, S.LAPSED, S.WITHDRAWN)


def give_back() -> None:
    """Close the reservations of checks whose request has ended; one that was drawn on is closed by its worker."""
    waiting = list(checking.open_reservations())
    ended = SynthesisRequest.objects.filter(pk__in=waiting, state__in=OVER).values_list("pk", flat=True)
    for request in ended:
        held = checking.reservation(str(request))
        if held is not None and not held.charges.exists():
            ledger.release_reserve(reservation=held, by=SYSTEM)


def destroy_exact() -> None:
    """End exact counts whose gate is closed, and the keys of those that ended while their process was killed."""
    gone = SynthesisRequest.objects.filter(pk__in=exact_counts.waiting()).exclude(state__in=SEES_EXACT)
    for request in gone.values_list("pk", flat=True):
        exact_counts.destroy(str(request), reason=DECIDED)
    exact_counts.sweep()
