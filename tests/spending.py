"""What a run's calls have cost so far, as the caps count it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any


def spent_by(run: Any) -> dict[str, int | Decimal]:
    """Calls, tokens, seconds and money of a run, with whatever is still set aside."""
    from synthesis import costs  # in the tests' own processes Django is set up later

    return costs.total(run, list(run.reservations.all()), costs.approved(run)["prices"])
