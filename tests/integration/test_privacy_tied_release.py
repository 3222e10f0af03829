"""A plan with tied cliques, from the request's reservation to the page, the ledger's file and the auditor's export."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from audit import keys, verify
from audit.export import export
from audit.models import LogEntry
from privacy import exporting, ledger, manifesting, measuring, planning, selectors, services, vault
from privacy.dp.counting import NumpyCounter
from privacy.dp.sensitivity import VOTE, l2_of_tied
from privacy.dp.tied import tables
from privacy.models import LedgerEntry, ReleaseRecord
from privacy.plans import MeasurementPlan
from privacy.values import Axis, Clique, PrivacyUnit, Release, TiedClique
from tests import privacy_site

pytestmark = pytest.mark.django_db(databases=["default", "log"])
RHO = Decimal("0.5")
CLIQUE = TiedClique(
    "sex", (1, 2), (Clique((Axis("age", (0,) * 5 + (1,) * 6),)), Clique((Axis("pay", (0, 1, 1)),))), (0, 1), 1
)
PLAN = MeasurementPlan(
    one_way_share=Decimal("0.4"), fixed_share=Decimal("0.6"), fixed=(Clique.of("sex", "pay"),), tied=(CLIQUE,),
    fixed_weights=(1, 2), rounds=0, per_round=1,
)  # fmt: skip


@pytest.fixture
def measured(site: Any) -> tuple[ReleaseRecord, Release]:
    privacy_site.make_keys()
    found = privacy_site.dataset(privacy_site.person("olivia", "owner"))
    ledger.reserve(dataset=found, rho=RHO, delta=Decimal(0), key="request 1", by="system")
    record = services.open_release(dataset=found, rho=RHO, plan=PLAN, key="request 1")
    plan = MeasurementPlan.from_json(record.plan)
    return record, measuring.run(plan, planning.Independent(selectors.domain(found)), release=record)


def test_a_planned_tied_table_is_measured_stored_and_returned(measured: tuple[ReleaseRecord, Release]) -> None:
    record, release = measured
    again = selectors.released(record.pk)
    (tied,) = again.tied
    assert [table.clique.columns for table in again.marginals] == [("sex",), ("age",), ("pay",), ("sex", "pay")]
    assert (tied.clique, tied.parts, tied.counts.shape) == (CLIQUE, VOTE, (2, 2))
    assert (tied.counts == release.tied[0].counts).all()
    exact = tables(NumpyCounter(vault.codes(record.version), release.domain), [CLIQUE])[0]
    assert 0 < np.abs((tied.counts - exact) / tied.sigma).max() < 6
    entry = LedgerEntry.objects.get(pk=tied.measurement)
    assert (entry.kind, entry.facts["parts"], entry.facts["cliques"]) == ("COMMIT", VOTE, [CLIQUE.to_json()])
    assert float(entry.facts["sensitivity"]) == l2_of_tied(PrivacyUnit(), CLIQUE)
    assert float(entry.facts["scale"]) == tied.sigma
    assert entry.rho == pytest.approx(RHO * Decimal("0.4"), abs=Decimal("1e-9"))
    assert selectors.budget(record.reservation.population_id).spent == RHO


def test_the_manifest_and_the_ledgers_file_state_it(measured: tuple[ReleaseRecord, Release]) -> None:
    record, release = measured
    line = manifesting.released_statistics(record.pk)[-1]
    assert (line["columns"], line["cells"], line["parts"]) == (["sex", "age", "pay"], 4, VOTE)
    assert line["error_19_in_20"] == manifesting.off_by(release.tied[0].sigma / VOTE)
    entries = json.loads(exporting.as_json(record.reservation.population))["entries"]
    assert [each["facts"]["cliques"] for each in entries if "parts" in each["facts"]] == [[CLIQUE.to_json()]]


def test_an_auditor_works_its_price_out_again(measured: tuple[ReleaseRecord, Release], tmp_path: Path) -> None:
    export(tmp_path / "export", by="user:anna", reason="check")
    report = verify.verify(tmp_path / "export", key=str(keys.public()))
    assert {one["check"] for one in report.findings} == {"gates"}, "nobody submitted a request here, and it says so"
    assert report.counts["charges worked out from their noise"] == 5
    assert report.counts["measurements"] == 5
    stored = LogEntry.objects.get(action="privacy:release:measured")
    assert b"measurements" in bytes(stored.leaf)


def test_a_ledger_reader_sees_it_in_votes(measured: tuple[ReleaseRecord, Release], client: Client) -> None:
    _, release = measured
    client.force_login(privacy_site.person("anna", "auditor"))
    page = client.get(reverse("statistic-detail", args=[release.tied[0].measurement])).content.decode()
    assert "pooled over repeated slots" in page
    largest = max(release.tied[0].counts.ravel().tolist()) / VOTE
    assert f"{round(largest, 2):,}" in page
    assert "block" in page
    assert f"{VOTE:,} make one" in page
