"""A higher cap takes two people; the ledger can be read as a file; a release once paid for is used again free."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit import events
from audit.models import LogEntry
from llmsynthor_site.models import RoleGrant
from privacy import caps, exporting, ledger, measuring, plans, reuse, selectors, services
from privacy.errors import CapExceeded, DeclarationRefused, NotReady, PrivacyError
from privacy.models import CapRaise, Dataset, LedgerEntry, ReleaseRecord
from tests import privacy_site
from tests.integration.test_privacy_measuring import Onlooker

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
DISCOVERY = {"rho": "2", "delta": "1e-6", "discoveryDelta": "1e-7"}


@pytest.fixture
def dataset(site: Any) -> Dataset:
    privacy_site.make_keys()
    return privacy_site.dataset(privacy_site.person("olivia", "owner"), cap=DISCOVERY)


def proposed(dataset: Dataset, rho: str = "3", delta: str | None = None) -> CapRaise:
    return caps.propose_raise(
        by=dataset.owner, population=dataset.population, rho=Decimal(rho),
        delta=None if delta is None else Decimal(delta), reason="A second study.",
    )  # fmt: skip


def test_a_proposal_alone_raises_nothing_and_a_second_owner_puts_it_in_force(dataset: Dataset) -> None:
    proposal = proposed(dataset)
    with pytest.raises(CapExceeded):
        ledger.reserve(dataset=dataset, rho=Decimal("2.5"), delta=Decimal(0), key="a", by="system")
    entry = caps.confirm_raise(by=privacy_site.person("oscar", "owner"), proposal=proposal)
    assert caps.confirm_raise(by=privacy_site.person("otto", "owner"), proposal=proposal).pk == entry.pk
    ledger.reserve(dataset=dataset, rho=Decimal("2.5"), delta=Decimal(0), key="a", by="system")
    budget = selectors.budget(dataset.population_id)
    assert (budget.cap, budget.left, budget.cap_delta) == (3, Decimal("0.5"), Decimal("1e-7"))
    assert LedgerEntry.objects.filter(kind="CAP_RAISE").count() == 1
    logged = json.loads(bytes(LogEntry.objects.get(action="privacy:ledger:cap_raise").leaf))["facts"]
    assert (logged["rho"], logged["proposed_by"], logged["confirmed_by"]) == (
        "3.000000000000",
        "user:olivia",
        "user:oscar",
    )
    assert LogEntry.objects.filter(action="privacy:cap_raise:proposed").count() == 1


def test_nobody_raises_a_cap_alone_or_without_being_a_data_owner(dataset: Dataset) -> None:
    proposal = proposed(dataset)
    for person in (dataset.owner, privacy_site.person("stella", "steward"), privacy_site.person("ada", "admin")):
        with pytest.raises(PermissionDenied):
            caps.confirm_raise(by=person, proposal=proposal)
    with pytest.raises(PermissionDenied):
        caps.propose_raise(by=privacy_site.person("oscar", "owner"), population=dataset.population, rho=Decimal(3),
                           reason="not mine")  # fmt: skip
    with pytest.raises(IntegrityError, match="two_people"), transaction.atomic():
        CapRaise.objects.filter(pk=proposal.pk).update(
            confirmed_by=dataset.owner, entry=LedgerEntry.objects.earliest("id")
        )
    assert selectors.budget(dataset.population_id).cap == 2


def test_a_proposal_dies_with_its_proposers_office(dataset: Dataset) -> None:
    """Two people who are owners now raise a cap: not one of them and somebody who was."""
    proposal, oscar = proposed(dataset), privacy_site.person("oscar", "owner")
    dataset.owner.suspended_until = timezone.now() + timedelta(hours=1)
    dataset.owner.save()
    with pytest.raises(PrivacyError, match="propose it anew"):
        caps.confirm_raise(by=oscar, proposal=proposal)
    type(dataset.owner).objects.filter(pk=dataset.owner.pk).update(suspended_until=None)
    RoleGrant.objects.filter(user=dataset.owner).update(ended_at=timezone.now(), ended_by=oscar)
    with pytest.raises(PrivacyError, match="propose it anew"):
        caps.confirm_raise(by=oscar, proposal=proposal)
    assert selectors.budget(dataset.population_id).cap == 2


@pytest.mark.parametrize(("rho", "delta"), [("2", None), ("1.9", None), ("3", "0"), ("NaN", None), ("Infinity", None),
                                            ("1000", None), ("3", "1"), ("3", "NaN")])  # fmt: skip
def test_a_cap_is_only_ever_raised(dataset: Dataset, rho: str, delta: str | None) -> None:
    with pytest.raises(PrivacyError, match="cap"):
        proposed(dataset, rho, delta)
    assert not CapRaise.objects.exists()


def test_of_two_proposals_the_lower_one_comes_too_late(dataset: Dataset) -> None:
    low, high, oscar = proposed(dataset, "3"), proposed(dataset, "5"), privacy_site.person("oscar", "owner")
    caps.confirm_raise(by=oscar, proposal=high)
    with pytest.raises(PrivacyError, match="only ever raised"):
        caps.confirm_raise(by=oscar, proposal=low)
    assert selectors.budget(dataset.population_id).cap == 5


def test_after_a_raise_the_old_declaration_still_joins_its_population_and_another_does_not(dataset: Dataset) -> None:
    caps.confirm_raise(by=privacy_site.person("oscar", "owner"), proposal=proposed(dataset))
    services.register_dataset(by=dataset.owner, declaration=privacy_site.declaration(cap=DISCOVERY))
    for cap in (DISCOVERY | {"rho": "3"}, DISCOVERY | {"discoveryDelta": "1e-6"}):
        with pytest.raises(DeclarationRefused, match="cap"):
            services.register_dataset(by=dataset.owner, declaration=privacy_site.declaration(cap=cap))
    assert selectors.budget(dataset.population_id).cap == 3


def test_delta_is_reserved_spent_and_given_back_like_rho(dataset: Dataset) -> None:
    small, tenth = Decimal("6e-8"), Decimal("0.1")
    held = ledger.reserve(dataset=dataset, rho=tenth, delta=small, key="a", by="system")
    with pytest.raises(CapExceeded):
        ledger.reserve(dataset=dataset, rho=tenth, delta=small, key="b", by="system")
    ledger.release_reserve(reservation=held, by="system")
    held = ledger.reserve(dataset=dataset, rho=tenth, delta=small, key="b", by="system")
    ledger.forfeit(reservation=held, by="system", reason="test")
    budget = selectors.budget(dataset.population_id)
    assert (budget.spent_delta, budget.reserved_delta, budget.left_delta) == (small, 0, Decimal("4e-8"))


def release(dataset: Dataset, key: str = "first") -> ReleaseRecord:
    rho, plan = Decimal("0.5"), plans.all_pairs(selectors.domain(dataset))
    ledger.reserve(dataset=dataset, rho=rho, delta=Decimal(0), key=key, by="system")
    record = services.open_release(dataset=dataset, rho=rho, plan=plan, key=key)
    measuring.run(plan, Onlooker(dataset), release=record)
    return ReleaseRecord.objects.get(pk=record.pk)


def test_a_finished_release_is_used_again_at_no_charge(dataset: Dataset) -> None:
    record = release(dataset)
    before = (selectors.budget(dataset.population_id), LedgerEntry.objects.count())
    assert list(selectors.reusable(dataset)) == [record]
    assert reuse.reuse_release(dataset=dataset, release_id=record.pk, key="second") == record
    assert (selectors.budget(dataset.population_id), LedgerEntry.objects.count()) == before
    events.flush()
    facts = json.loads(bytes(LogEntry.objects.get(action="privacy:release:reused").leaf))["facts"]
    assert (facts["request"], facts["release"]) == ("second", str(record.pk))


def test_only_a_finished_release_of_the_newest_version_is_used_again(dataset: Dataset) -> None:
    record = release(dataset)
    other = services.register_dataset(by=dataset.owner, declaration=privacy_site.declaration(cap=DISCOVERY, title="B"))
    with pytest.raises(NotReady):
        reuse.reuse_release(dataset=other, release_id=record.pk, key="second")
    stream = io.BytesIO(privacy_site.table(60))
    services.receive_upload(by=dataset.owner, dataset=dataset, stream=stream, filename="u.csv")
    with pytest.raises(NotReady):
        reuse.reuse_release(dataset=dataset, release_id=record.pk, key="second")
    assert selectors.released(record.pk).marginals, "a new version keeps the releases of the old one"


def exported(dataset: Dataset, *arguments: str) -> str:
    out = io.StringIO()
    call_command("export_ledger", dataset.population.name, "--reason", "a check", *arguments, stdout=out)
    return out.getvalue()


def test_the_ledger_is_exported_whole_and_exactly(dataset: Dataset, tmp_path: Any) -> None:
    release(dataset)
    whole = json.loads(exported(dataset))
    assert [line["kind"] for line in whole["entries"]] == list(
        LedgerEntry.objects.order_by("id").values_list("kind", flat=True)
    )
    spent = sum(Decimal(line["rho"]) for line in whole["entries"] if line["kind"] in ("COMMIT", "FORFEIT"))
    assert spent == Decimal(whole["sums"]["spent"]) == Decimal("0.5")
    rows = list(csv.DictReader(io.StringIO(exported(dataset, "--format", "csv"))))
    assert [row["rho"] for row in rows] == [line["rho"] for line in whole["entries"]]
    assert json.loads(rows[2]["facts"])["mechanism"] == "discrete gaussian"
    out = tmp_path / "ledger.json"
    exported(dataset, "--out", str(out))
    assert json.loads(out.read_text())["entries"] == whole["entries"]
    with pytest.raises(CommandError, match="exists"):
        exported(dataset, "--out", str(out))
    assert LogEntry.objects.filter(action="privacy:ledger_export:made").count() == 4
    with pytest.raises(CommandError, match="no population"):
        call_command("export_ledger", "nobody", "--reason", "x")


def test_a_spreadsheet_runs_nothing_of_an_exported_ledger(dataset: Dataset) -> None:
    ledger.reserve(dataset=dataset, rho=Decimal("0.1"), delta=Decimal(0), key="=cmd()", by="-1+2")
    line = list(csv.DictReader(io.StringIO(exporting.as_csv(dataset.population))))[-1]
    assert (line["request"], line["by"]) == ("'=cmd()", "'-1+2")
