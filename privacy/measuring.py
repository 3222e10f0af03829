"""Runs a plan against the vault: each step is in the ledger and in the log before the data is touched.

A release is measured once. A finished one is returned as it was stored; one whose worker died half-way is
failed and its reservation forfeited, because nobody knows how much was already drawn. Nothing of the exact
stage is told in any error: a message could quote a value, and its kind could depend on one. Nor does time
tell: a release, measured or failed, shows itself when its tick comes (privacy/pacing.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import cast

from django.conf import settings
from django.db import OperationalError, transaction
from django.utils import timezone

from audit import canonical, events
from audit.actors import SYSTEM
from privacy import attachments, connecting, holding, ledger, pacing, selectors, staging, texts, vault
from privacy.accounting import EPSILON_STEP
from privacy.dp import discovery, execution, opendp_door
from privacy.dp.counting import BatchCounter
from privacy.errors import ROWS_GONE, EngineAway, MeasuringFailed, NotReady, TryAgain
from privacy.models import MeasurementRecord, ReleaseRecord
from privacy.plans import MeasurementPlan
from privacy.schema import Schema
from privacy.values import Domain, Model, NoisyMarginal, NoisyTable, Release

State = ReleaseRecord.State
Modelling = Model | Callable[[Domain], Model]
"""A model, or what makes one once the domain is known: key discovery settles it while a release is measured."""
NO_DELTA = Decimal(0)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run let out: the categories it found, the declaration that they settled, and its tables."""

    found: tuple[discovery.Found, ...]
    settled: Schema
    tables: tuple[NoisyTable, ...]


def epsilon_of(*, rho: Decimal, delta: Decimal) -> Decimal:
    """Epsilon at ``delta`` by OpenDP's own conversion, rounded up; the price is checked with it before reserving."""
    exact = Decimal(opendp_door.epsilon(rho=rho, delta=delta))
    return exact.quantize(EPSILON_STEP, rounding=ROUND_CEILING)


def curve_of(*, rho: Decimal, delta: Decimal = NO_DELTA) -> list[dict[str, str]]:
    """Epsilon at each of some deltas, by OpenDP's own conversion, for pages that may not ask it themselves.

    ``delta`` is what key discovery spent: it comes on top of the delta of the conversion (Bun and Steinke
    2016, lemma 8.8), so that each line of the curve leaves it out of what is converted.
    """
    shown = [Decimal(1).scaleb(-digits) for digits in range(4, 13)]
    return [
        {"delta": f"{each:f}", "epsilon": f"{epsilon_of(rho=rho, delta=each - delta):f}"}
        for each in shown
        if rho > 0 and each > delta
    ]


def run(
    plan: MeasurementPlan, model: Modelling, *, release: ReleaseRecord, beat: holding.Beat | None = None
) -> Release:
    """The release's noisy tables: measured now, or as they were stored.

    ``beat`` is called with every step, to keep the caller's lease through ``tick_seconds`` of silence. NotReady when
    ``plan`` is not the one the release was opened with, or its version was over before it began; AlreadyMeasuring while
    another worker holds it; TryAgain where the database failed before any charge, so that no row was looked at;
    MeasuringFailed otherwise.
    """
    if plan.to_json() != release.plan:
        raise NotReady("a release is measured by the plan it was opened with")
    if release.state == State.RESERVED and not release.version.measurable:
        raise NotReady(ROWS_GONE)
    match holding.claim(release, tick=tick_seconds(plan, release), fail=_fail):
        case State.MEASURED:
            return selectors.released(release.pk)
        case State.FAILED:
            raise MeasuringFailed("measuring stopped")
    if not _carried_out(plan, model, release, beat or (lambda: None)):
        _fail(release)
        raise MeasuringFailed("measuring stopped")
    return selectors.released(release.pk)


def tick_seconds(plan: MeasurementPlan, release: ReleaseRecord) -> float:
    """How long a release takes to show itself, from the declaration and the settings alone."""
    schema = selectors.schema(release.version.dataset)
    rows = schema.maximum_rows or settings.LIMITS["upload_rows"]
    pace = pacing.Pace(**(settings.MEASURING_PACE if schema.source is None else settings.ENGINE_PACE))
    tied = [counted.cells(schema.measured) for each in plan.tied for counted in each.counted]
    keys = sum(schema.stored.size(search.column) for search in plan.searches)
    slots = sum(len(each.slots) for each in plan.tied if each.by_norm)
    return pacing.tick(
        schema.domain,
        rows=rows,
        largest=plan.max_cells,
        pace=pace,
        tied=tied,
        keys=keys,
        by_norm=slots,
        held=plan.held.tables if plan.held else 0,
    )


def _carried_out(plan: MeasurementPlan, model: Modelling, release: ReleaseRecord, beat: holding.Beat) -> bool:
    """Whether the release was measured in time and stored. Whatever went wrong ends here and is not told."""
    clock = pacing.Tick(tick_seconds(plan, release))
    measured = _tried(plan, _unhurried(model, clock), release, beat)
    return holding.shown(release, clock, measured, lambda found: _finish(release, found), beat)


def _unhurried(model: Modelling, clock: pacing.Tick) -> Callable[[Domain], Model]:
    """Makes the model, with the clock stopped while it is made and whenever it is asked."""

    def made(domain: Domain) -> Model:
        with clock.stopped():
            fresh = model(domain) if callable(model) else model
        return cast(Model, pacing.Unhurried(fresh, clock))

    return made


def _tried(
    plan: MeasurementPlan, modelled: Callable[[Domain], Model], release: ReleaseRecord, beat: holding.Beat
) -> Measured | None:
    """What was measured, or None: the reason is dropped here, with whatever it might quote."""
    try:
        return _measured(plan, modelled, release, beat)
    except (OperationalError, EngineAway):
        pass  # of what holds the data, never of the data: what matters is whether anything was charged before
    except Exception:
        return None
    if holding.handed_back(release):
        raise TryAgain("the database could not be reached before anything was charged")
    return None


def _measured(
    plan: MeasurementPlan, modelled: Callable[[Domain], Model], release: ReleaseRecord, beat: holding.Beat
) -> Measured:
    """Keys first, where there are categories to find; then tables over the domain that they settle."""
    schema, charge = selectors.schema(release.version.dataset), holding.Charge(release, release.reservation, beat)
    if schema.source is not None:
        with connecting.counter(release.version, schema) as there:  # charges, choices and noise stay here
            counted = execution.execute(
                plan, counter=there, charge=charge, model=modelled(schema.domain), unit=schema.unit, rho=release.rho
            )
        return Measured((), schema, counted)
    numbered, passes = _Numbered(release), vault.passes(release.version)
    found, spent = discovery.discover(
        plan, counter=BatchCounter(passes, schema.stored), texts=numbered, charge=charge, unit=schema.unit,
        rho=release.rho,
    )  # fmt: skip
    settled = schema.settled({each.column: each.keys for each in found})
    recoded = texts.recoder(schema, settled, numbered.by_column)
    tables = staging.carried_out(
        plan.fitted(settled.domain), settled, counter=BatchCounter(lambda: map(recoded, passes()), settled.measured),
        charge=charge, modelled=modelled, rho=release.rho, spent=spent,
    )  # fmt: skip
    return Measured(found, settled, tables)


class _Numbered:
    """The texts behind the numbers of searched columns, opened when they are first asked for: after the charge."""

    def __init__(self, release: ReleaseRecord) -> None:
        self._release = release
        self.by_column: texts.Numbered = {}

    def __call__(self, column: str) -> dict[int, str]:
        self.by_column = self.by_column or vault.numbered(self._release.version)
        return self.by_column.get(column, {})  # no counted row may hold a text there


def _finish(release: ReleaseRecord, measured: Measured) -> None:
    """Log what was released, store it, and close the reservation: the rest of it is forfeited, not given back."""
    tables, found = measured.tables, measured.found
    charges = [each.measurement for each in found] + [table.measurement for table in tables]
    attached = {"tables": canonical.dumps(attachments.tables(tables))}
    if found:
        attached["keys"] = canonical.dumps(
            {each.measurement: attachments.keys(each, measured.settled) for each in found}
        )
    events.append(
        action="privacy:release:measured",
        by=SYSTEM,
        subject=f"release:{release.pk}",
        facts={**_facts(release), "measurements": charges},
        event_id=f"measured-{release.pk}",
        attachments=attached,
    )
    ledger.forfeit(reservation=release.reservation, by=SYSTEM, reason="the rest of a finished release")
    domain = measured.settled.measured
    with transaction.atomic():
        MeasurementRecord.objects.bulk_create([_record(release, place, table) for place, table in enumerate(tables)])
        holding.changed(
            release, state=State.MEASURED, finished_at=timezone.now(), beat_at=None,
            curve=curve_of(rho=selectors.charged(release), delta=release.delta),
            discovered={each.column: list(each.keys) for each in found},
            domain=[list(pair) for pair in zip(domain.columns, domain.sizes, strict=True)],
        )  # fmt: skip
        population = release.reservation.population
        spent = selectors.budget(population.pk)
        curve = curve_of(rho=spent.spent, delta=spent.spent_delta)
        type(population).objects.filter(pk=population.pk).update(curve=curve)


def abandon(key: str) -> bool:
    """Close a release that nobody will take up again and nobody has; whether there was one."""
    release = ReleaseRecord.objects.filter(key=key, state=State.RESERVED).first()
    if release is not None:
        _fail(release)
    return release is not None


def _fail(release: ReleaseRecord) -> None:
    """Close a release without a result. Its reservation returns only if no step was ever charged to it."""
    holding.close(release.reservation, reason="measuring stopped")
    with transaction.atomic():
        holding.changed(release, state=State.FAILED, finished_at=timezone.now(), beat_at=None)
        events.record(
            action="privacy:release:failed", by=SYSTEM, subject=f"release:{release.pk}", facts=_facts(release)
        )


def _facts(release: ReleaseRecord) -> dict[str, object]:
    population = release.reservation.population_id
    return {"release": str(release.pk), "population": str(population), "request": release.key}


def _record(release: ReleaseRecord, place: int, table: NoisyTable) -> MeasurementRecord:
    return MeasurementRecord(
        release=release,
        entry_id=int(table.measurement),
        place=place,
        clique=table.clique.to_json(),
        counts=table.counts.ravel().tolist(),
        sigma=table.sigma,
        held=isinstance(table, NoisyMarginal) and table.held,
    )
