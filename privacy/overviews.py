"""The ledgers of every population at once, for those who may read all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet

from privacy.models import LedgerEntry, Population
from privacy.selectors import Budget, account

Kind = LedgerEntry.Kind
SPENDING = (Kind.COMMIT, Kind.FORFEIT)


@dataclass(frozen=True, slots=True)
class Standing:
    """One population and what is left of its cap."""

    population: Population
    budget: Budget


def standings() -> list[Standing]:
    """Every population by name, from two queries; sums are of decimals, not of the database's binary numbers."""
    lines: dict[object, list[tuple[str, Decimal, Decimal]]] = defaultdict(list)
    told = LedgerEntry.objects.order_by("id").values_list("population_id", "kind", "rho", "delta")
    for population, kind, rho, delta in told.iterator(chunk_size=5000):
        lines[population].append((kind, rho, delta))
    found = Population.objects.select_related("owner").order_by("name")
    return [Standing(one, _budget(one, lines[one.pk])) for one in found]


def _budget(population: Population, lines: list[tuple[str, Decimal, Decimal]]) -> Budget:
    rho = account([(kind, amount) for kind, amount, _ in lines])
    delta = account([(kind, amount) for kind, _, amount in lines])
    return Budget(*rho, population.delta, *delta)


def lines() -> QuerySet[LedgerEntry]:
    """Every line of every ledger, newest first."""
    return LedgerEntry.objects.select_related("population", "dataset").order_by("-id")


@dataclass(frozen=True, slots=True)
class Shown:
    """What released tables cost: those that were shown, and everything that was measured with them."""

    dataset: str
    population: str
    tables: int
    rho: Decimal
    releases: int
    releases_rho: Decimal


def behind(measurements: Iterable[str]) -> list[Shown]:
    """The privacy loss behind these charges (ids as they stand in prompts), by dataset.

    ``releases_rho`` is the whole of every release that one of them belongs to: a count that is not itself
    released may still have been worked out from any table of the release.
    """
    ids = [int(one) for one in measurements if one.isdecimal()]
    charges = list(LedgerEntry.objects.filter(pk__in=ids).select_related("dataset", "population"))
    spent: dict[object, Decimal] = defaultdict(Decimal)
    with_them = LedgerEntry.objects.filter(reservation__in={one.reservation_id for one in charges}, kind__in=SPENDING)
    for reservation, rho in with_them.values_list("reservation_id", "rho"):
        spent[reservation] += rho
    groups: dict[object, list[LedgerEntry]] = defaultdict(list)
    for charge in charges:
        groups[charge.dataset_id].append(charge)
    return sorted((_shown(found, spent) for found in groups.values()), key=lambda one: one.dataset)


def _shown(charges: list[LedgerEntry], spent: dict[object, Decimal]) -> Shown:
    releases = {one.reservation_id for one in charges}
    return Shown(
        dataset=str(charges[0].dataset), population=str(charges[0].population), tables=len(charges),
        rho=sum((one.rho for one in charges), Decimal(0)), releases=len(releases),
        releases_rho=sum((spent[one] for one in releases), Decimal(0)),
    )  # fmt: skip
