"""What data owners do, and what the site's worker asks for: by whom, one transaction, one event."""

from __future__ import annotations

import hashlib
import uuid
from decimal import Decimal
from typing import IO, Any, Protocol

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from audit import events, messages
from audit.actors import SYSTEM, actor
from privacy import engine_rights, inbox, ledger, locks, policies, selectors
from privacy.accounting import rho_down
from privacy.errors import NO_VERSION, DeclarationRefused, NotReady
from privacy.models import Dataset, DatasetVersion, LedgerEntry, Population, ReleaseRecord, SourceCheck
from privacy.plan_parts import Search
from privacy.problems import Problem, UploadRefused
from privacy.schema import Schema
from privacy.values import Domain

ATTACH = "llmsynthor_site.tasks.attach"


class Plan(Protocol):
    """A measurement plan, as far as it is kept here; measuring knows what it means."""

    @property
    def searches(self) -> tuple[Search, ...]: ...

    @property
    def discovery_delta(self) -> Decimal: ...

    def check(self, domain: Domain) -> None: ...

    def to_json(self) -> dict[str, Any]: ...


def register_dataset(*, by: Any, declaration: str | bytes, title: str = "") -> Dataset:
    """Keep a declaration, and set its population's cap if this is the population's first dataset.

    SchemaError with every problem of the declaration; DeclarationRefused where it contradicts an earlier one.
    """
    policies.require(policies.may_register(by), "Only data owners register datasets.")
    schema = Schema.parse(declaration)
    _may_be_counted(schema, by)
    digest = hashlib.sha256(schema.text.encode()).hexdigest()
    with transaction.atomic():
        dataset = Dataset.objects.create(
            title=title.strip()[:200] or schema.title, owner=by, population=_population(schema, by),
            declaration=schema.text, declaration_hash=digest,
        )  # fmt: skip
        facts = {
            "dataset": str(dataset.pk),
            "population": str(dataset.population_id),
            "declaration_hash": digest,
        }
        events.record(action="privacy:dataset:registered", by=actor(by), subject=f"dataset:{dataset.pk}", facts=facts)
        if schema.source is not None:
            SourceCheck.objects.create(dataset=dataset)
            transaction.on_commit(lambda: kick(dataset.pk))
    return dataset


def look_again(*, by: Any, dataset: Dataset) -> None:
    """Have the measuring worker look at the dataset's table, in its engine, once more. It becomes a new version.

    DeclarationRefused where the administrator no longer lets the owner have it counted.
    """
    policies.require(policies.may_upload(by, dataset), "Only the dataset's owner registers its data.")
    _may_be_counted(selectors.schema(dataset), dataset.owner)
    asked = {"state": SourceCheck.State.WAITING, "problems": [], "asked_at": timezone.now(), "finished_at": None}
    with transaction.atomic():
        if not SourceCheck.objects.filter(dataset=dataset).update(**asked):
            raise NotReady("this dataset's data come in files")
        facts = {"dataset": str(dataset.pk)}
        events.record(action="privacy:source:asked", by=actor(by), subject=f"dataset:{dataset.pk}", facts=facts)
        transaction.on_commit(lambda: kick(dataset.pk))


def _may_be_counted(schema: Schema, owner: Any) -> None:
    if schema.source is not None and (rule := engine_rights.why_not(schema.source, owner.username)):
        raise DeclarationRefused(f"source: {rule}")


def kick(dataset: object) -> None:
    """Tell the measuring workers. A message that is lost costs only time: the sweeper kicks again."""
    messages.tell(ATTACH, dataset)


def sweep() -> None:
    """Kick for every table that nobody has looked at yet."""
    waiting = SourceCheck.objects.filter(state=SourceCheck.State.WAITING).order_by("asked_at")
    for check in messages.some(waiting):
        kick(check.dataset_id)


def _population(schema: Schema, by: Any) -> Population:
    """The declared population, made with its cap when it is new; an old one is never given another cap."""
    key = schema.population.casefold()
    population, made = Population.objects.get_or_create(
        key=key, defaults={"name": schema.population, "owner": by, "delta": schema.delta}
    )
    if made:
        ledger.cap_set(population=population, rho=schema.cap_rho, delta=schema.cap_delta, by=by)
        return population
    if population.owner_id != by.pk:
        raise DeclarationRefused("population: another data owner has declared this population")
    declared = (schema.cap_rho, schema.cap_delta)
    if selectors.declared_cap(population) != declared or population.delta != schema.delta:
        raise DeclarationRefused("cap: this population was declared before with another cap or delta")
    return population


def register_with_file(
    *, by: Any, declaration: str | bytes, stream: IO[bytes], filename: str, title: str = ""
) -> DatasetVersion:
    """Keep a declaration and its first file together, or neither: a file that does not fit settles nothing.

    Raises as register_dataset and receive_upload do.
    """
    policies.require(policies.may_register(by), "Only data owners register datasets.")
    schema, version = Schema.parse(declaration), uuid.uuid4()
    _takes_files(schema)
    try:
        received = inbox.receive(stream=stream, schema=schema, version=version)
        with transaction.atomic():
            dataset = register_dataset(by=by, declaration=declaration, title=title)
            return _keep(by, dataset, version, received, filename)
    except BaseException as problem:
        inbox.discard(version)
        if isinstance(problem, UploadRefused):
            facts = {"dataset": "not registered"}
            events.append(action="privacy:upload:refused", by=actor(by), subject=actor(by), facts=facts)
        raise


def receive_upload(*, by: Any, dataset: Dataset, stream: IO[bytes], filename: str) -> DatasetVersion:
    """Take in a file for a dataset. UploadRefused with every problem by column and rule; nothing is kept then.

    A file that is already the dataset's newest version is not taken in twice.
    """
    policies.require(policies.may_upload(by, dataset), "Only the dataset's owner uploads its data.")
    _takes_files(selectors.schema(dataset))
    version = uuid.uuid4()
    try:
        received = inbox.receive(stream=stream, schema=selectors.schema(dataset), version=version)
        return _keep(by, dataset, version, received, filename)
    except BaseException as problem:
        inbox.discard(version)
        if isinstance(problem, UploadRefused):
            _tell_refusal(by, dataset)
        raise


def _takes_files(schema: Schema) -> None:
    if schema.source is not None:
        raise UploadRefused([Problem("", "the declaration says that these data stay in their engine")])


def _keep(by: Any, dataset: Dataset, version: uuid.UUID, received: inbox.Received, filename: str) -> DatasetVersion:
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        keep_to_one_population(dataset, received.fingerprint, "file")
        newest = dataset.versions.last()
        if newest is not None and newest.measurable and newest.fingerprint == received.fingerprint:
            inbox.discard(version)
            return newest
        kept = DatasetVersion.objects.create(
            id=version, dataset=dataset, number=next_number(dataset), file_name=filename[:200],
            size_bytes=received.size_bytes, rows_read=received.rows_read, rows_kept=received.rows_kept,
            tables=received.tables, fingerprint=received.fingerprint, uploaded_by=by,
        )  # fmt: skip
        facts = {"dataset": str(dataset.pk), "version": str(version)}
        events.record(action="privacy:upload:accepted", by=actor(by), subject=f"dataset:{dataset.pk}", facts=facts)
    kept.closed = received.closed
    return kept


def keep_to_one_population(dataset: Dataset, fingerprint: str, what: str) -> None:
    """UploadRefused where another population has these very data. Within a transaction nobody else finds the same data
    to be new before it ends: what is tested here may be created there.
    """
    locks.alone_in(connection)
    same = DatasetVersion.objects.filter(fingerprint=fingerprint)
    if same.exclude(dataset__population=dataset.population_id).exists():
        rule = f"this very {what} is registered under another population, whose cap it must keep to"
        raise UploadRefused([Problem("", rule)])


def next_number(dataset: Dataset) -> int:
    highest: int | None = dataset.versions.aggregate(highest=Max("number"))["highest"]
    return (highest or 0) + 1


def _tell_refusal(by: Any, dataset: Dataset) -> None:
    """The log learns that a file was refused, and nothing of why: the reasons are the uploader's alone."""
    facts = {"dataset": str(dataset.pk)}
    events.append(action="privacy:upload:refused", by=actor(by), subject=f"dataset:{dataset.pk}", facts=facts)


def open_release(*, dataset: Dataset, rho: Decimal, plan: Plan, key: str, by: Any = SYSTEM) -> ReleaseRecord:
    """The release of the request called ``key``, whose privacy loss must be reserved; made once.

    The newest version of the data is fixed here. ValueError for a plan that does not fit the declaration.
    """
    schema = selectors.schema(dataset)
    plan.check(schema.measured)
    if plan.searches != schema.searches:
        raise ValueError("a plan searches the columns whose categories are unknown, as declared, and no others")
    reservation = LedgerEntry.objects.filter(key=f"reserve:{key}", dataset=dataset).first()
    version = _version_of(key, dataset)
    if reservation is None:
        raise NotReady("a release needs a reservation in the ledger")
    if reservation.rho != rho_down(rho) or reservation.delta < plan.discovery_delta:
        raise NotReady("another amount of privacy loss was reserved for this release")
    with transaction.atomic():
        release, made = ReleaseRecord.objects.get_or_create(
            key=key,
            defaults={
                "version": version,
                "reservation": reservation,
                "plan": plan.to_json(),
                "domain": [list(pair) for pair in zip(schema.measured.columns, schema.measured.sizes, strict=True)],
                "unit": ledger.unit_facts(schema.unit),
                "rho": reservation.rho,
                "delta": reservation.delta,
            },
        )
        if made:
            _tell_opened(release, by)
    return release


def _version_of(key: str, dataset: Dataset) -> DatasetVersion:
    """The version on which this release was opened before, or the newest that may be measured."""
    opened = ReleaseRecord.objects.filter(key=key).select_related("version").first()
    version = opened.version if opened is not None else selectors.measurable(dataset).last()
    if version is None:
        raise NotReady(NO_VERSION)
    return version


def _tell_opened(release: ReleaseRecord, by: Any) -> None:
    facts = {
        "release": str(release.pk),
        "population": str(release.reservation.population_id),
        "request": release.key,
        "version": str(release.version_id),
    }
    events.record(action="privacy:release:opened", by=actor(by), subject=f"release:{release.pk}", facts=facts)
