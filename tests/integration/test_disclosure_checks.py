"""A finished table is compared with the rows it came from: charged and in the package, or for stewards' eyes alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from audit import export, keys, verify
from audit import log as audit_log
from audit.actors import actor
from audit.models import LogEntry
from llmsynthor_site import disclosing, returning
from privacy import checking, ledger, pacing, selectors, vault
from privacy import disclosing as privacy_checks
from privacy.dp import matching
from privacy.models import CheckRecord, LedgerEntry
from privacy.values import Measurement, PrivacyUnit
from synthesis import disclosures, handing, packaging, packing, services
from synthesis.models import Job, SynthesisRequest
from synthesis.states import Disclosure, Gate, JobKind
from synthesis.states import RequestState as S
from tests import privacy_site, request_site
from tests.request_site import Site, fresh

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> Site:
    """Its owner lets stewards see counts without noise."""
    made = request_site.make()
    open_to_stewards = {"exactChecks": True, "population": "people who may be counted", "title": "Open"}
    made.dataset = privacy_site.dataset(made.owner, content=request_site.table(1999), **open_to_stewards)
    return made


def handed_over(house: Site, mode: str = Disclosure.CHARGED, **wish: Any) -> SynthesisRequest:
    """Synthesised, and waiting for the measuring worker."""
    with request_site.open_door():
        return house.synthesised(disclosure=mode, **wish)


def checked(request: SynthesisRequest) -> SynthesisRequest:
    """What the two workers do then."""
    disclosing.compare(str(request.pk))
    packing.finish(str(request.pk))
    return fresh(request)


def told(request: SynthesisRequest, name: str) -> str:
    return (packaging.package_folder(str(request.run.package.pk)) / name).read_text()


def verified(house: Site, tmp_path: Path) -> verify.Report:
    export.export(tmp_path / "audit", by=actor(house.amir), reason="To check it.")
    return verify.verify(tmp_path / "audit", key=str(keys.public()))


def budget(house: Site) -> selectors.Budget:
    return selectors.budget(house.dataset.population_id)


def test_a_charged_check_is_approved_charged_and_in_the_package(house: Site, tmp_path: Path) -> None:
    request = handed_over(house)
    assert request.state == S.COMPARING
    approved = request.snapshot["disclosure"]
    assert (approved["mode"], approved["radius"]) == ("charged", 1)
    assert Decimal(approved["rho"]) == pytest.approx(request.rho / 20)
    request = checked(request)
    assert request.state == S.CHECKING
    facts = json.loads(told(request, "manifest.json"))
    counts = facts["disclosure"]["counts"]
    assert [one["question"] for one in counts] == list(privacy_checks.disclosure.QUESTIONS)
    lines = LedgerEntry.objects.filter(pk__in=[one["measurement"] for one in counts])
    assert {line.facts["check"]["table"] for line in lines} == {request.run.handed_over.sha256}
    assert {line.request for line in lines} == {str(request.pk)}
    spent = Decimal(facts["privacy"]["rho"])
    assert spent == request.rho == budget(house).spent  # the check is within what was asked for, and stated with it
    assert facts["privacy"]["end_to_end"]
    for name in ("report.html", "guarantee.txt", "dpia.md"):
        assert "Distinct synthetic records that also occur in the data" in " ".join(told(request, name).split())
    assert json.loads(told(request, "quality.json"))["disclosure"] == facts["disclosure"]
    found = verified(house, tmp_path)
    assert found.findings == []
    assert found.counts["measurements"] > 2


def test_the_counts_are_near_the_truth(house: Site) -> None:
    request = checked(handed_over(house))
    check = CheckRecord.objects.get()
    rows = vault.codes(check.release.version)
    stored = {tuple(row) for row in rows.tolist()}
    assert not handing.place(request.run.pk).exists()
    occurring, near = check.results
    assert 0 < len(stored) <= 66
    assert abs(occurring["count"] - len(stored)) < 66 + 6 * occurring["sigma"]
    assert abs(near["count"] - len(rows)) < 6 * near["sigma"]  # few records are possible: every row has a neighbour


def test_without_a_check_nothing_more_is_reserved_and_the_package_says_that_none_was_made(house: Site) -> None:
    with request_site.open_door():
        request = house.synthesised()
    assert request.state == S.CHECKING
    assert not CheckRecord.objects.exists()
    assert LedgerEntry.objects.filter(kind="RESERVE").count() == 1
    assert "No check against the true rows was made" in " ".join(told(request, "guarantee.txt").split())


def test_a_check_for_stewards_alone_costs_nothing_and_takes_the_claim_away(house: Site, tmp_path: Path) -> None:
    request = checked(handed_over(house, Disclosure.STEWARDS))
    facts = json.loads(told(request, "manifest.json"))
    assert facts["disclosure"] == {"mode": "stewards", "radius": 1}
    assert facts["privacy"]["end_to_end"] is False
    assert disclosures.SHOWN_TO_STEWARDS in facts["unprotected_quantities"]
    for name in ("report.html", "guarantee.txt", "README.md", "dpia.md"):
        assert "no differential privacy is claimed from end to end" in " ".join(told(request, name).split())
    croissant = json.loads(told(request, "croissant.json"))
    assert croissant["dp:differentialPrivacy"]["dp:end_to_end"] is False
    loss = yaml.safe_load(told(request, "deployment.yaml"))["deployment"]["privacy_loss"]
    assert "no differential privacy is claimed from end to end" in loss["privacy_parameters_details"]
    assert LedgerEntry.objects.filter(kind="COMMIT", facts__kind="check").count() == 0
    assert verified(house, tmp_path).findings == []


def test_the_owner_must_allow_counts_without_noise(house: Site) -> None:
    closed = privacy_site.dataset(house.owner, content=request_site.table(300), population="others")
    with pytest.raises(ValidationError, match="owner does not allow"):
        services.create_request(
            by=house.rosa, dataset=closed, **{**request_site.WISH, "disclosure": Disclosure.STEWARDS}
        )


def test_gate_a_shows_the_check_and_what_it_costs(house: Site) -> None:
    client = Client()
    client.force_login(house.stella)
    charged = client.get(f"/requests/{house.submitted(disclosure='charged').pk}/gate/measure/").content.decode()
    assert "how many of its distinct records occur in the data" in charged
    closed = client.get(f"/requests/{house.submitted(disclosure='stewards').pk}/gate/measure/").content.decode()
    assert "Not differentially private: a check for stewards" in closed


def test_the_charge_is_in_the_log_before_a_row_is_looked_at(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    request = handed_over(house)
    before, opened = LogEntry.objects.filter(action="privacy:ledger:commit").count(), []
    passes = vault.passes

    def looked(version: Any) -> Any:
        opened.append(LogEntry.objects.filter(action="privacy:ledger:commit").count() - before)
        return passes(version)

    monkeypatch.setattr(vault, "passes", looked)
    checked(request)
    assert opened == [2]


def test_a_check_that_breaks_after_its_charge_keeps_it_and_ends_the_run_clearly(
    house: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    request = handed_over(house)
    monkeypatch.setattr(matching, "neighboured", lambda *args, **more: (_ for _ in ()).throw(ValueError("83749canary")))
    request = checked(request)
    assert (request.state, request.note) == (S.FAILED, disclosing.FAILED)
    assert budget(house).spent == request.rho
    assert budget(house).reserved == 0
    assert "83749canary" not in caplog.text
    assert not handing.place(request.run.pk).exists()
    assert not packaging.package_folder(str(request.run.handed_over.package)).exists()
    assert CheckRecord.objects.get().state == "FAILED"
    disclosing.compare(str(request.pk))  # a late message finds nothing to do
    assert budget(house).spent == request.rho


def test_a_worker_that_died_after_the_charge_ends_the_run_and_measures_nothing_twice(house: Site) -> None:
    request = handed_over(house)
    check = privacy_checks.open_check(
        release=request.release, key=str(request.pk), table=request.run.handed_over.sha256, radius=1, charged=True
    )
    CheckRecord.objects.filter(pk=check.pk).update(state="MEASURING", beat_at="2020-01-01T00:00:00Z")
    assert check.reservation is not None
    ledger.commit(reservation=check.reservation, measurement=measurement(), by="system")
    request = checked(request)
    assert request.state == S.FAILED
    assert budget(house).spent == request.rho
    assert LedgerEntry.objects.filter(facts__kind="check").count() == 1


def measurement() -> Measurement:
    return Measurement(
        kind="check", mechanism="discrete gaussian", cliques=(), sensitivity=1.0, scale=100.0, rho=Decimal("0.001"),
        delta=Decimal(0), unit=PrivacyUnit(), library="x", about={"question": "q"},
    )  # fmt: skip


def test_a_database_that_is_away_before_the_charge_costs_time_alone(
    house: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = handed_over(house)
    honest, calls = ledger.commit_all, []

    def away(**values: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise OperationalError("away")
        return honest(**values)

    monkeypatch.setattr(ledger, "commit_all", away)
    disclosing.compare(str(request.pk))
    assert fresh(request).state == S.COMPARING
    Job.objects.filter(request=request).update(leased_until=None)
    assert checked(request).state == S.CHECKING
    assert len(calls) == 2


def test_a_run_that_ends_before_its_check_gives_the_loss_back(house: Site) -> None:
    request = house.measured(disclosure=Disclosure.CHARGED)
    assert budget(house).reserved == disclosures.rho_of(request)
    house.vote(request, house.stella, Gate.EGRESS, "reject")  # the embedded proposer needs one vote alone
    assert fresh(request).state == S.REJECTED
    returning.give_back()
    returning.give_back()
    assert budget(house).reserved == 0
    assert budget(house).spent == request.rho - disclosures.rho_of(request)
    assert list(checking.open_reservations()) == []


def test_a_run_stopped_while_it_waits_is_not_compared(house: Site) -> None:
    request = handed_over(house)
    services.stop(by=house.stella, request=request, reason="Not needed any more.")
    request = checked(request)
    returning.give_back()
    assert request.state == S.FAILED
    assert not CheckRecord.objects.exists()
    assert budget(house).reserved == 0


def test_another_table_than_the_one_handed_over_is_refused(house: Site) -> None:
    request = handed_over(house)
    path = handing.place(request.run.pk)
    path.write_bytes(path.read_bytes() + b"x")
    request = checked(request)
    assert (request.state, "not the one that was handed over" in request.note) == (S.FAILED, True)
    returning.give_back()
    assert budget(house).reserved == 0  # nothing was charged: no row was looked at


def test_a_package_that_cannot_be_written_is_tried_again_and_the_check_is_not(
    house: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = handed_over(house)
    honest, calls = packaging.sign, []

    def full(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("disk full")
        return honest(*args)

    monkeypatch.setattr(packaging, "sign", full)
    assert checked(request).state == S.COMPARING
    spent = budget(house).spent
    Job.objects.filter(request=request).update(leased_until=None)
    packing.finish(str(request.pk))
    request = fresh(request)
    assert (request.state, budget(house).spent) == (S.CHECKING, spent)
    folder = packaging.package_folder(str(request.run.package.pk))
    named = {one["name"] for one in request.run.package.manifest["files"]} | {"manifest.json"}
    assert {path.name for path in folder.iterdir()} == named


def test_a_check_shows_itself_when_its_tick_comes_whatever_it_found(
    house: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tick follows from the declaration and the synthetic table; the state is all that shows before it."""
    request, seen = handed_over(house), []
    monkeypatch.setattr(pacing.Tick, "wait", lambda tick, beat: seen.append(CheckRecord.objects.get().state))
    ticks, honest, leases, count = [], pacing.lookups, [], matching.occurring

    def counted(*args: Any) -> int:
        until = Job.objects.get(kind=JobKind.COMPARE).leased_until
        leases.append((until - timezone.now()).total_seconds() if until else 0.0)
        return count(*args)

    monkeypatch.setattr(matching, "occurring", counted)

    def asked(**values: Any) -> float:
        ticks.append(honest(**values))
        return ticks[0]

    monkeypatch.setattr(pacing, "lookups", asked)
    checked(request)
    assert seen == ["MEASURING"]
    records = request.run.handed_over.distinct
    pace = pacing.Pace(base_seconds=0, nanoseconds_per_row=20, microseconds_per_cell=100)
    rows = settings.LIMITS["upload_rows"] + records
    expected = settings.MEASURING_PACE["base_seconds"] + honest(rows=rows, times=4, pace=pace)
    assert set(ticks) == {ticks[0]}
    assert ticks[0] == pytest.approx(expected)
    assert leases[0] > ticks[0] + settings.JOB_LEASE_SECONDS - 60, (
        "nobody takes over a worker that may still be counting"
    )


def test_an_overrun_fails_though_it_was_counted(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    request = handed_over(house)
    monkeypatch.setattr(privacy_checks, "tick_seconds", lambda *args: -1.0)
    request = checked(request)
    assert request.state == S.FAILED
    assert CheckRecord.objects.get().results == []
    assert budget(house).spent == request.rho


def test_synthesis_never_loads_the_vault(tmp_path: Path) -> None:
    """The worker that packs has no way to the rows: importing it loads neither vault nor OpenDP."""
    code = (
        "import django; django.setup(); import synthesis.packing, synthesis.running, sys; "
        "print([m for m in ('privacy.vault', 'privacy.disclosing', 'opendp') if m in sys.modules])"
    )
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "llmsynthor_site.settings", "SITE_DIR": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_log_tells_that_a_check_was_made_and_not_what_an_exact_one_found(house: Site) -> None:
    checked(handed_over(house, Disclosure.STEWARDS))
    entry = audit_log.entry(LogEntry.objects.get(action="privacy:check:measured").index)
    assert entry.facts["exact"] is True
    assert set(entry.facts) == {"check", "release", "population", "request", "measurements", "exact"}
