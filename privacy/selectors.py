"""What other rooms and pages may read of this one: declarations, budgets, released noisy tables. Never a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
from django.db.models import Q, QuerySet

from privacy import accounting, member_tables
from privacy.cliques import Clique, any_clique
from privacy.errors import NotReady
from privacy.models import (
    Dataset,
    DatasetVersion,
    LedgerEntry,
    MeasurementRecord,
    Population,
    ReleaseRecord,
    StewardWaiver,
    site_today,
)
from privacy.permissions import BROWSE, REGISTER, VIEW
from privacy.plans import adaptive_default, for_purpose, keeping, searching
from privacy.purposes import Purpose
from privacy.schema import Schema
from privacy.schema_fields import Column
from privacy.schema_keys import Undiscovered
from privacy.values import Domain, HardRule, IntArray, NoisyMarginal, NoisyTable, NoisyTied, PrivacyUnit, Release

Kind = LedgerEntry.Kind


@lru_cache(maxsize=256)
def _parsed(declaration: str) -> Schema:
    return Schema.parse(declaration)


# Datasets: what was declared.


def datasets_for(user: Any) -> QuerySet[Dataset]:
    """The datasets this person may see (the rule of policies.may_view, as a query)."""
    found = Dataset.objects.select_related("population", "owner")
    if user.has_perm(REGISTER):
        return found.filter(owner=user)
    if user.has_perm(VIEW):
        return found
    if not user.has_perm(BROWSE):
        return found.none()
    return found.filter(open_to(user), versions__isnull=False).distinct()


def open_to(user: Any) -> Q:
    """Datasets whose owner lets this researcher ask: limited to nobody, or to an organisation they are in."""
    return Q(limited_to=None) | Q(limited_to__memberships__user=user, limited_to__memberships__ended_at=None)


def dataset(dataset_id: UUID | str) -> Dataset:
    return Dataset.objects.select_related("population", "owner").get(pk=dataset_id)


def schema(of: Dataset, *, release: UUID | str | None = None) -> Schema:
    """The declaration; with a release, together with the categories that its key discovery found."""
    declared = _parsed(of.declaration)
    found = {} if release is None else ReleaseRecord.objects.get(pk=release, version__dataset=of).discovered
    return declared.settled(found) if found else declared


def title(of: Dataset) -> str:
    return of.title


def domain(of: Dataset) -> Domain:
    return schema(of).domain


def unit_in_words(of: Dataset) -> str:
    return schema(of).unit_in_words


def declaration_hash(of: Dataset) -> str:
    return of.declaration_hash


def plan(
    of: Dataset, targets: Sequence[str] = (), *, release: UUID | str | None = None, hold: int | None = None
) -> dict[str, Any]:
    """What will be asked of the data and how the privacy loss is split: public, and what gate A approves.

    ``targets``: columns of interest, whose tables are measured for certain before any are chosen. With a finished
    release, the plan that it was measured by. ``hold``: a seed, where tables are to be kept from the loop, to judge
    its fit by.
    """
    if release is not None:
        return dict(ReleaseRecord.objects.get(pk=release, version__dataset=of).plan)
    related, columns = schema(of).related, domain(of)
    if related is not None:
        return member_tables.plan_for(related).to_json()
    asked = for_purpose(columns, Purpose(tuple(targets))) if targets else adaptive_default(columns)
    searched = searching(asked, schema(of).searches)
    return (searched if hold is None else keeping(searched, hold)).to_json()


def is_ready(of: Dataset) -> bool:
    """Whether there is accepted data to measure."""
    return measurable(of).exists()


def measurable(of: Dataset) -> QuerySet[DatasetVersion]:
    """The versions whose rows may still be read, oldest first; as ``DatasetVersion.measurable`` says of one."""
    return of.versions.filter(destroyed_at=None).exclude(keep_until__lt=site_today())


def standing_waiver(of: Dataset, *, held: bool = False) -> StewardWaiver | None:
    """The owner's waiver of the second steward, while it stands; ``held``: until the transaction is over."""
    found = of.waivers.filter(ended_at=None)
    return (found.select_for_update() if held else found).first()


def held_waiver(waiver: UUID) -> StewardWaiver:
    """A waiver as it is now; nobody ends it before the caller's transaction is over."""
    return StewardWaiver.objects.select_for_update().get(pk=waiver)


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A measured column as people read it. ``labels`` has one entry a code, OTHER and missing included.

    ``keys``: how many more codes there may be, which key discovery has to find first.
    """

    name: str
    kind: str
    title: str
    description: str
    labels: tuple[str, ...]
    public: bool
    other: str | None
    nullable: bool
    keys: int = 0

    @property
    def size(self) -> int:
        return len(self.labels) + self.keys


def dictionary(of: Dataset, *, public_only: bool = False) -> tuple[ColumnFacts, ...]:
    """Every measured column in order; with ``public_only`` those whose labels the owner declared public."""
    return tuple(
        replace(_facts(column), name=name)
        for name, column in schema(of).told.items()
        if column.public or not public_only
    )


def _facts(column: Column) -> ColumnFacts:
    keys = column.coding.size if isinstance(column.coding, Undiscovered) else 0
    return ColumnFacts(
        column.name, column.kind, column.title, column.description, column.labels[keys:],
        column.public, column.other, column.nullable, keys,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """What a prompt may say about a declared table: names and labels, and whether they are public."""

    schema: Schema
    found: frozenset[str] = frozenset()
    """The columns whose labels were found by key discovery."""

    @property
    def names(self) -> tuple[str, ...]:
        return self.schema.domain.columns

    def labels(self, column: str) -> tuple[str, ...]:
        return self.schema.labels(column)

    def is_public(self, column: str) -> bool:
        return self.schema.public(column)


def columns(of: Dataset, *, release: UUID | str | None = None) -> Columns:
    searched = frozenset(search.column for search in schema(of).searches)
    return Columns(schema(of, release=release), searched if release is not None else frozenset())


def public_facts(of: Dataset, *, release: UUID | str | None = None) -> list[dict[str, Any]]:
    """The names and labels that may leave the site, as plain JSON; the rest travels as codes."""
    shown = (_facts(column) for column in schema(of, release=release).columns if column.public)
    return [{"column": each.name, "labels": list(each.labels)} for each in shown]


def rules(of: Dataset) -> tuple[HardRule, ...]:
    """What the owner declared to hold for every record, and what follows for the parts of dates."""
    return schema(of).rules


def rules_in_words(of: Dataset, *, public_only: bool = False) -> list[dict[str, Any]]:
    """The rules as plain JSON; with ``public_only`` those about columns declared public alone."""
    found = [
        {"rule": rule.text, "reason": rule.reason, "columns": list(rule.clique.columns)} for rule in rules(of)
    ] + member_rules_in_words(of)
    secret = [column for column in schema(of).told.values() if public_only and not column.public]
    hidden = {name for column in secret for name in (column.name, column.source)}
    return [rule for rule in found if hidden.isdisjoint(rule["columns"])]


def member_rules_in_words(of: Dataset) -> list[dict[str, Any]]:
    """The rules of the tables below the first of related tables, named after these; none of a single table."""
    related = schema(of).related
    if related is None:
        return []
    return [
        {"rule": f"{table.name}: {rule.text}", "reason": rule.reason, "columns": related.named_by(table, rule)}
        for table, rules in related.rules
        for rule in rules
    ]


def decoder(
    of: Dataset, *, seed: int | Sequence[int], release: UUID | str | None = None
) -> Callable[[IntArray], pd.DataFrame]:
    """Turns synthetic codes (rows x columns) into the input's own spelling, part after part of one table.

    The same seed and parts give the same table.
    """
    declared, rng = schema(of, release=release), np.random.default_rng(seed)
    return lambda records: declared.decode(records, rng)


# The ledger: what was allowed, set aside and spent.


@dataclass(frozen=True, slots=True)
class Budget:
    """Privacy loss of one population, as rho. ``spent + reserved + left == cap``.

    ``delta`` is where epsilon is shown; the last three are the delta that key discovery may spend.
    """

    cap: Decimal
    reserved: Decimal
    spent: Decimal
    delta: Decimal
    cap_delta: Decimal = Decimal(0)
    reserved_delta: Decimal = Decimal(0)
    spent_delta: Decimal = Decimal(0)

    @property
    def left(self) -> Decimal:
        return self.cap - self.reserved - self.spent

    @property
    def left_delta(self) -> Decimal:
        return self.cap_delta - self.reserved_delta - self.spent_delta

    def epsilon(self, rho: Decimal) -> Decimal:
        """What ``rho`` amounts to at the delta declared for this population."""
        return accounting.epsilon_for(rho=rho, delta=self.delta)


def budget(population_id: UUID | str) -> Budget:
    """Sums of the ledger, added as decimals: the database would add binary fractions."""
    population = Population.objects.get(pk=population_id)
    lines = list(population.entries.order_by("id").values_list("kind", "rho", "delta"))
    rho = account([(kind, rho) for kind, rho, _ in lines])
    delta = account([(kind, delta) for kind, _, delta in lines])
    return Budget(*rho, population.delta, *delta)


def account(lines: list[tuple[str, Decimal]]) -> tuple[Decimal, Decimal, Decimal]:
    """Cap, reserved and spent of one quantity, from lines of one population in order."""
    caps = [amount for kind, amount in lines if kind in (Kind.CAP_SET, Kind.CAP_RAISE)]
    spent = _sum(lines, Kind.COMMIT, Kind.FORFEIT)
    reserved = _sum(lines, Kind.RESERVE) - spent - _sum(lines, Kind.RELEASE_RESERVE)
    return caps[-1] if caps else Decimal(0), reserved, spent


def _sum(lines: Iterable[tuple[str, Decimal]], *kinds: str) -> Decimal:
    return sum((rho for kind, rho in lines if kind in kinds), Decimal(0))


def declared_cap(population: Population) -> tuple[Decimal, Decimal]:
    """The cap as it was first declared, before any raise: rho, and the delta that key discovery may spend."""
    first = population.entries.filter(kind=Kind.CAP_SET).order_by("id").values_list("rho", "delta").first()
    return first or (Decimal(0), Decimal(0))


def ledger_entries(population: Population) -> QuerySet[LedgerEntry]:
    """The population's ledger, oldest line first."""
    return population.entries.select_related("dataset", "reservation")


# Releases: what came out of the vault, noise included.


def unfinished(version: DatasetVersion) -> QuerySet[ReleaseRecord]:
    """Releases on this version that were opened and have not ended."""
    return version.releases.filter(state__in=[ReleaseRecord.State.RESERVED, ReleaseRecord.State.MEASURING])


def reusable(of: Dataset) -> QuerySet[ReleaseRecord]:
    """Finished releases of the dataset's newest version: a request may use one of them at no charge."""
    newest = of.versions.order_by("-number").values("pk")[:1]
    return ReleaseRecord.objects.filter(version__in=newest, state=ReleaseRecord.State.MEASURED)


def released(release_id: UUID | str) -> Release:
    """Everything one measuring run let out. NotReady unless the run is finished.

    Of related tables the domain is that of a unit by itself; tied tables are over its members as well.
    """
    record = ReleaseRecord.objects.get(pk=release_id)
    if record.state != ReleaseRecord.State.MEASURED:
        raise NotReady("this release has no result")
    domain, declared = shapes(record), schema(record.version.dataset)
    tables = [_noisy(table, domain) for table in record.measurements.select_related("entry")]
    unit, own = PrivacyUnit(**record.unit), domain if declared.related is None else declared.domain
    return Release.of(str(record.pk), own, tables, unit, charged(record), record.delta)


def shapes(record: ReleaseRecord) -> Domain:
    """The columns as the release knows them, its found categories included; of related tables also those of members."""
    return Domain.from_mapping(dict(record.domain))


def _noisy(table: MeasurementRecord, shapes: Domain) -> NoisyTable:
    clique = any_clique(table.clique)
    counts = np.array(table.counts, dtype=np.int64).reshape(clique.shape(shapes))
    if isinstance(clique, Clique):
        return NoisyMarginal(clique, counts, table.sigma, str(table.entry_id), table.held)
    return NoisyTied(clique, counts, table.sigma, str(table.entry_id), parts_of(table))


def parts_of(table: MeasurementRecord) -> int:
    """How many of a stored table's units make one row, or one vote of a tied table: as it was charged."""
    return int(table.entry.facts.get("parts", 1))


def charged(record: ReleaseRecord) -> Decimal:
    """What this release spent: its steps and what was forfeited with it."""
    lines = LedgerEntry.objects.filter(reservation=record.reservation_id).values_list("kind", "rho")
    return _sum(lines, Kind.COMMIT, Kind.FORFEIT)


def epsilon_of(release_id: UUID | str, *, delta: Decimal, beside: Decimal = Decimal(0)) -> Decimal:
    """Epsilon at ``delta`` of what this release and ``beside`` spent; key discovery's part of delta is within it."""
    record = ReleaseRecord.objects.get(pk=release_id)
    return accounting.epsilon_for(rho=charged(record) + beside, delta=delta - record.delta)


def visible_dataset(user: Any, dataset_id: UUID | str) -> Dataset | None:
    """The dataset, or None where this person may not know of it."""
    return datasets_for(user).filter(pk=dataset_id).first()
