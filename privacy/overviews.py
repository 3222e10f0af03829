"""The ledgers of every population at once, for those who may read all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import BigIntegerField, Case, ExpressionWrapper, F, FloatField, QuerySet, Sum, Value, When
from django.db.models.functions import Cast, Round

from privacy.models import DELTA, RHO, Dataset, LedgerEntry, Population
from privacy.selectors import Budget, account

Kind = LedgerEntry.Kind
SPENDING = (Kind.COMMIT, Kind.FORFEIT)
CAPS = (Kind.CAP_SET, Kind.CAP_RAISE)


@dataclass(frozen=True, slots=True)
class Standing:
    """One population and what is left of its cap."""

    population: Population
    budget: Budget


def populations() -> QuerySet[Population]:
    """Every population by name, with its owner."""
    return Population.objects.select_related("owner").order_by("name", "pk")


def owned_by(user: Any) -> QuerySet[Dataset]:
    """The datasets this person registered, whatever role they hold today."""
    return Dataset.objects.filter(owner=user).order_by()


def standings(of: Iterable[Population]) -> list[Standing]:
    """What is left of the caps of these populations, from one query whatever the length of their ledgers."""
    shown = list(of)
    told: dict[object, list[tuple[str, Decimal, Decimal]]] = defaultdict(list)
    for population, kind, rho, delta in _sums(shown):
        told[population].append((kind, rho, delta))
    return [Standing(one, _budget(one, told[one.pk])) for one in shown]


def _sums(of: list[Population]) -> Iterator[tuple[object, str, Decimal, Decimal]]:
    """Lines added up by kind, as whole numbers of the last digit: a database may add binary fractions.

    Lines that set a cap stand alone, oldest first: of a cap the last one counts, not the sum.
    """
    alone = Case(When(kind__in=CAPS, then=F("id")), default=Value(0))
    found = LedgerEntry.objects.filter(population__in=of).annotate(line=alone).order_by("line")
    sums = found.values_list("population_id", "kind", "line")
    for population, kind, _, rho, delta in sums.annotate(a=_whole("rho", RHO), b=_whole("delta", DELTA)):
        yield population, kind, _scaled(rho, RHO), _scaled(delta, DELTA)


def _scaled(number: int, kind: dict[str, Any]) -> Decimal:
    return Decimal(number).scaleb(-kind["decimal_places"])


def _whole(name: str, kind: dict[str, Any]) -> Sum:
    """The sum of a column in units of its last digit; 15 digits are exact in a binary number, and so is their sum."""
    scaled = F(name) * Value(10 ** kind["decimal_places"])
    return Sum(Cast(Round(ExpressionWrapper(scaled, FloatField())), BigIntegerField()))


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
