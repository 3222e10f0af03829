"""The privacy ledger: every charge is one durable line, written and logged before data is touched.

A line is committed in a transaction of its own while the population's row is locked (on SQLite, whose
transactions begin IMMEDIATE, while the database is), so that of many charges at the cap exactly those pass
that fit. Its event rides in the same transaction and is in the log before the function returns.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import events
from audit.actors import actor
from privacy import locks, places, selectors
from privacy.accounting import rho_down
from privacy.errors import CapExceeded, NotAffordable, PrivacyError
from privacy.models import CapRaise, Dataset, LedgerEntry, Population
from privacy.values import AnyClique, Measurement, PrivacyUnit

__all__ = [
    "CapExceeded",
    "NotAffordable",
    "cap_raise",
    "cap_set",
    "commit",
    "commit_all",
    "forfeit",
    "release_reserve",
    "reserve",
]

Kind = LedgerEntry.Kind
Written = TypeVar("Written")
CLOSING = (Kind.RELEASE_RESERVE, Kind.FORFEIT)
NO_DELTA = Decimal(0)
LARGEST = Decimal(1000)
"""No ledger holds a rho beyond this; the column has room for three digits before the point."""


def cap_set(*, population: Population, rho: Decimal, delta: Decimal = NO_DELTA, by: Any) -> LedgerEntry:
    """The first line of a population's ledger, within the transaction that makes the population.

    ``delta`` is what key discovery may spend; every other mechanism spends none.
    """
    return _write(population=population, kind=Kind.CAP_SET, rho=rho, delta=delta, key=f"cap:{population.pk}", by=by)


def cap_raise(*, proposal: CapRaise, by: Any) -> LedgerEntry:
    """The line of a proposal that a second person confirms, within the caller's transaction; made once.

    The line states the new cap, not the step up to it. PrivacyError where it would not be a raise.
    """
    key = f"raise:{proposal.pk}"
    Population.objects.select_for_update().get(pk=proposal.population_id)
    made = LedgerEntry.objects.filter(key=key).first()
    if made is not None:
        return made
    now = selectors.budget(proposal.population_id)
    if (
        proposal.rho < now.cap
        or proposal.delta < now.cap_delta
        or (proposal.rho, proposal.delta) == (now.cap, now.cap_delta)
    ):
        raise PrivacyError("a cap is only ever raised")
    facts = {"proposed_by": actor(proposal.proposed_by), "confirmed_by": actor(by), "proposal": str(proposal.pk)}
    return _write(
        population=proposal.population, kind=Kind.CAP_RAISE, rho=proposal.rho, delta=proposal.delta,
        key=key, by=by, facts=facts,
    )  # fmt: skip


def reserve(*, dataset: Dataset, rho: Decimal, delta: Decimal, key: str, by: Any, purpose: str = "") -> LedgerEntry:
    """Set privacy loss aside for the request called ``key``; a repeated call finds the first one's entry.

    ``purpose``: what it is for, where a request sets more aside than the loss of its release.
    CapExceeded when the population's cap has less left, of rho or of delta.
    """
    if not (rho.is_finite() and delta.is_finite() and 0 <= delta < 1 and rho <= LARGEST):
        raise CapExceeded("the privacy loss to reserve must be a finite number, and its delta below 1")
    amount = rho_down(rho)
    if amount <= 0:
        raise CapExceeded("the privacy loss to reserve must be above 0")

    def write(population: Population) -> LedgerEntry:
        made = LedgerEntry.objects.filter(key=LedgerEntry.reservation_key(key, purpose)).first()
        if made is not None:
            return _same(made, population, amount, delta)
        budget = selectors.budget(population.pk)
        if amount > budget.left or delta > budget.left_delta:
            raise CapExceeded("the population's cap has less privacy loss left than was asked for")
        return _write(
            population=population, dataset=dataset, kind=Kind.RESERVE, rho=amount, delta=delta,
            key=LedgerEntry.reservation_key(key, purpose), request=key, by=by, at=timezone.now(),
            facts={"purpose": purpose} if purpose else {},
        )  # fmt: skip

    return _locked(dataset.population_id, write)


def commit(*, reservation: LedgerEntry, measurement: Measurement, by: Any) -> LedgerEntry:
    """Charge one step against its reservation. NotAffordable when too little is left of it, or it is closed.

    Only after this has returned may the step touch the data.
    """
    return commit_all(reservation=reservation, measurements=[measurement], by=by)[0]


def commit_all(*, reservation: LedgerEntry, measurements: Sequence[Measurement], by: Any) -> list[LedgerEntry]:
    """Charge steps that will touch the data together: one line each, and all of them are covered or none."""
    if not all(each.rho.is_finite() and each.delta.is_finite() for each in measurements):
        raise NotAffordable("the price of a step must be finite")

    def write(population: Population) -> list[LedgerEntry]:
        charges = list(reservation.charges.order_by("id"))
        before = len(charges)
        for measurement in measurements:
            charges.append(_charged(reservation, charges, measurement, by))
        return charges[before:]

    return _locked(reservation.population_id, write)


def _charged(reservation: LedgerEntry, charges: list[LedgerEntry], measurement: Measurement, by: Any) -> LedgerEntry:
    """One more line after these, if the reservation still covers it."""
    rho, delta = measurement.rho, measurement.delta
    left, left_delta = _rest(reservation, charges)
    closed = any(charge.kind in CLOSING for charge in charges)
    if closed or not 0 < rho <= left or not 0 <= delta <= left_delta:
        raise NotAffordable("the reservation does not cover this step")
    key = f"commit:{reservation.pk}:{len(charges)}"
    return _draw(reservation, Kind.COMMIT, (rho, delta), key=key, by=by, facts=facts_of(measurement))


def release_reserve(*, reservation: LedgerEntry, by: Any) -> LedgerEntry:
    """Give a whole reservation back. PrivacyError once a step was charged to it: raw data may be touched."""
    return _close(reservation, Kind.RELEASE_RESERVE, by=by, reason="raw data was not touched")


def forfeit(*, reservation: LedgerEntry, by: Any, reason: str) -> LedgerEntry:
    """Spend what is left of a reservation, so that nothing more can be charged to it."""
    return _close(reservation, Kind.FORFEIT, by=by, reason=reason)


def _close(reservation: LedgerEntry, kind: str, *, by: Any, reason: str) -> LedgerEntry:
    def write(population: Population) -> LedgerEntry:
        charges = list(reservation.charges.order_by("id"))
        for charge in charges:
            if charge.kind in CLOSING:
                return charge
        if charges and kind == Kind.RELEASE_RESERVE:
            raise PrivacyError("a reservation that was drawn on is not given back")
        rest = _rest(reservation, charges)
        return _draw(reservation, kind, rest, key=f"close:{reservation.pk}", by=by, facts={"reason": reason})

    return _locked(reservation.population_id, write)


def _rest(reservation: LedgerEntry, charges: list[LedgerEntry]) -> tuple[Decimal, Decimal]:
    """What is left of a reservation after these charges: rho and delta."""
    rho = reservation.rho - sum((charge.rho for charge in charges), Decimal(0))
    return rho, reservation.delta - sum((charge.delta for charge in charges), NO_DELTA)


def _locked(population_id: UUID | str, write: Callable[[Population], Written]) -> Written:
    """Run ``write`` alone on this population, commit it, and see its events into the log.

    The database's lock is what holds; the queue before it only spares many writers from waking at once.
    """
    with locks.alone(places.ledger_lock()):
        with transaction.atomic(durable=True):
            written = write(Population.objects.select_for_update().get(pk=population_id))
        events.flush()
    return written


def wait_for_charges(reservation: LedgerEntry) -> None:
    """Within the caller's transaction: return once no charge to the population is on its way, and let none begin."""
    Population.objects.select_for_update().get(pk=reservation.population_id)


def _same(entry: LedgerEntry, population: Population, rho: Decimal, delta: Decimal) -> LedgerEntry:
    if (entry.population_id, entry.rho, entry.delta) != (population.pk, rho, delta):
        raise PrivacyError("this request has already reserved another amount")
    return entry


def _draw(reservation: LedgerEntry, kind: str, price: tuple[Decimal, Decimal], **rest: Any) -> LedgerEntry:
    return _write(
        population=reservation.population, dataset=reservation.dataset, kind=kind, rho=price[0], delta=price[1],
        reservation=reservation, request=reservation.request, **_moment(reservation, kind), **rest,
    )  # fmt: skip


def _moment(reservation: LedgerEntry, kind: str) -> dict[str, Any]:
    """A charge is dated as its reservation: its own time would tell how long the exact step before it took."""
    return {"at": reservation.at if kind == Kind.COMMIT else timezone.now()}


def _write(*, by: Any, facts: dict[str, Any] | None = None, **line: Any) -> LedgerEntry:
    """The line and its event, in the caller's transaction."""
    entry = LedgerEntry.objects.create(by=actor(by), facts=facts or {}, **line)
    told = {
        "population": str(entry.population_id),
        "entry": str(entry.pk),
        "request": entry.request,
        "rho": f"{entry.rho:f}",
        "delta": f"{entry.delta:f}",
        **entry.facts,
    }
    if entry.dataset_id is not None:
        told["dataset"] = str(entry.dataset_id)
    if entry.reservation_id is not None:
        told["reservation"] = str(entry.reservation_id)
    action = f"privacy:ledger:{entry.kind.lower()}"
    events.record(action=action, by=entry.by, subject=f"population:{entry.population_id}", facts=told)
    return entry


def facts_of(measurement: Measurement) -> dict[str, Any]:
    """What was done, beside what it cost; binary fractions as the shortest text that gives them back."""
    return {
        "kind": measurement.kind,
        "mechanism": measurement.mechanism,
        "cliques": _cliques(measurement),
        "sensitivity": repr(measurement.sensitivity),
        "scale": repr(measurement.scale),
        "unit": unit_facts(measurement.unit),
        "library": measurement.library,
        **({"parts": measurement.parts} if measurement.parts != 1 else {}),
        **({} if measurement.threshold is None else {"threshold": measurement.threshold}),
        **({"held": True} if measurement.held else {}),
        **({} if measurement.about is None else {"check": dict(measurement.about)}),
    }


def unit_facts(unit: PrivacyUnit) -> dict[str, Any]:
    return {"kind": unit.kind, "k": unit.k, "column": unit.column, "neighbours": unit.neighbours}


def _cliques(measurement: Measurement) -> list[Any]:
    """What is measured or searched, in full. Of a choice among many, their columns and one hash over them in full."""
    full = [clique.to_json() for clique in measurement.cliques]
    if measurement.kind != "selection":
        return full
    digest = hashlib.sha256(json.dumps(full, sort_keys=True).encode()).hexdigest()
    return [{"among": sorted(_columns(measurement.cliques)), "sha256": digest}]


def _columns(cliques: tuple[AnyClique, ...]) -> set[str]:
    return {" x ".join(clique.columns) for clique in cliques}
