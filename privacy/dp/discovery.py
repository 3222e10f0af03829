"""Key discovery: which values of a column, whose list nobody knows in public, are frequent enough to be named.

Rows are counted by key, noise is added to each count, and only keys whose noised count reaches the threshold
come out (partition selection). A key held by one unit alone comes out with probability at most the charged
delta. What comes out depends on the keys and their counts alone, not on the order of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from privacy.accounting import rho_down
from privacy.dp import opendp_door
from privacy.dp.charging import Charge, pay
from privacy.dp.counting import ExactCounter
from privacy.dp.sensitivity import change_of_keys
from privacy.plan_parts import Search
from privacy.plans import MeasurementPlan
from privacy.values import Clique, Measurement, PrivacyUnit

Texts = Callable[[str], Mapping[int, str]]
"""Which key each code of a column stands for; codes that stand for no key (OTHER, NULL) are not in it."""


@dataclass(frozen=True, slots=True)
class Found:
    """The keys of one column that were let out, in their order as texts, and the charge that paid for them."""

    column: str
    keys: tuple[str, ...]
    measurement: str


def discover(
    plan: MeasurementPlan, *, counter: ExactCounter, texts: Texts, charge: Charge, unit: PrivacyUnit, rho: Decimal
) -> tuple[tuple[Found, ...], Decimal]:
    """Every searched column's keys, and the rho spent on them, out of a release's ``rho``.

    All searches are paid for before ``counter`` or ``texts`` are asked.
    """
    if not plan.searches:
        return (), Decimal(0)
    share = rho_down(rho * plan.discovery_share / len(plan.searches))
    doors = [
        opendp_door.key_threshold(change=change_of_keys(unit), rho=share, delta=search.delta)
        for search in plan.searches
    ]
    entries = pay(charge, [_step(*each, unit) for each in zip(plan.searches, doors, strict=True)])
    tables = counter.tables([Clique.of(search.column) for search in plan.searches])
    found = []
    for search, door, entry, table in zip(plan.searches, doors, entries, tables, strict=True):
        counts = {key: int(table[code]) for code, key in texts(search.column).items() if table[code]}
        found.append(Found(search.column, _most_frequent(door.release(counts), search.most), entry))
    return tuple(found), sum((door.rho for door in doors), Decimal(0))


def _most_frequent(noised: Mapping[str, int], most: int) -> tuple[str, ...]:
    """At most so many keys, by noised count and then by text; what is left of a release costs nothing more."""
    ranked = sorted(noised, key=lambda key: (-noised[key], key))
    return tuple(sorted(ranked[:most]))


def _step(search: Search, door: opendp_door.KeyThreshold, unit: PrivacyUnit) -> Measurement:
    return Measurement(
        kind="discovery",
        mechanism=door.name,
        cliques=(Clique.of(search.column),),
        sensitivity=door.sensitivity,
        scale=door.scale,
        rho=door.rho,
        delta=door.delta,
        unit=unit,
        library=opendp_door.LIBRARY,
        threshold=door.threshold,
    )
