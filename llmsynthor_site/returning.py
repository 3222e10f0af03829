"""Privacy loss set aside for a check that will never be made goes back to the cap: no row was touched for it."""

from __future__ import annotations

from privacy import checking, ledger
from synthesis.models import SynthesisRequest
from synthesis.states import RequestState as S
from synthesis.transitions import SYSTEM

OVER = (S.REJECTED, S.FAILED, S.LAPSED, S.WITHDRAWN)


def give_back() -> None:
    """Close the reservations of checks whose request has ended; one that was drawn on is closed by its worker."""
    waiting = list(checking.open_reservations())
    ended = SynthesisRequest.objects.filter(pk__in=waiting, state__in=OVER).values_list("pk", flat=True)
    for request in ended:
        held = checking.reservation(str(request))
        if held is not None and not held.charges.exists():
            ledger.release_reserve(reservation=held, by=SYSTEM)
