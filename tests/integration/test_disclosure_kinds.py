"""Tables of searched columns and of many shards are compared with their rows too, and counted as they should be."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit import keys, verify
from audit.export import export
from llmsynthor_site import disclosing
from privacy import exact_counts, selectors
from privacy.models import CheckRecord, ReleaseRecord
from privacy.values import IntArray
from synthesis import handing, packing, running, sharding
from synthesis.loop import LoopSettings
from synthesis.models import SynthesisRequest
from synthesis.states import Disclosure
from synthesis.states import RequestState as S
from tests import privacy_site, request_site
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
QUICK = LoopSettings(sweeps=1, settle_sweeps=2, step=0.2, pool_size=2000)
COMMON = ("kilo", "lima", "mike")
CODE: dict[str, Any] = {
    "name": "code", "type": "string", "other": "another code",
    "discover": {"maxKeys": 20, "maxLength": 20, "delta": "1e-8"},
}  # fmt: skip
SEARCHED: dict[str, Any] = {
    "title": "Codes", "population": "people with codes", "fields": [*privacy_site.FIELDS[:2], CODE],
    "exactChecks": True, "cap": {"rho": "2", "delta": "1e-6", "discoveryDelta": "3e-8"},
}  # fmt: skip


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(running, "LoopSettings", lambda: QUICK)
    return request_site.make()


def codes(rows: int) -> bytes:
    """Three frequent codes, a rare one, and cells without any."""
    told = [COMMON[i % 3] for i in range(rows)]
    told[::50], told[7] = [""] * len(told[::50]), "rarecode"
    return ("sex,age,code\n" + "".join(f"{'fm'[i % 2]},{i % 100},{code}\n" for i, code in enumerate(told))).encode()


def handed_over(house: Site, mode: str, **wish: Any) -> tuple[SynthesisRequest, IntArray]:
    """Synthesised, and the records that wait for the measuring worker."""
    with open_door():
        request = house.synthesised(disclosure=mode, **wish)
    assert request.state == S.COMPARING
    release = ReleaseRecord.objects.get(pk=request.release_key)
    told = request.run.handed_over
    return request, handing.read(handing.place(request.run.pk), sha256=told.sha256, domain=selectors.shapes(release))


def compared(request: SynthesisRequest) -> tuple[SynthesisRequest, list[int]]:
    disclosing.compare(str(request.pk))
    packing.finish(str(request.pk))
    check = CheckRecord.objects.get(key=str(request.pk))
    counts = [one["count"] for one in (exact_counts.opened(check.key) if check.exact else check.results)]
    return SynthesisRequest.objects.get(pk=request.pk), counts


def in_codes(content: bytes, labels: dict[str, list[str]]) -> IntArray:
    """The rows in a release's codes, worked out from the file and the labels alone: ages stand in tens."""
    rows = csv.DictReader(io.StringIO(content.decode()))
    return np.array([[code_of(name, row[name], names) for name, names in labels.items()] for row in rows])


def code_of(name: str, text: str, names: list[str]) -> int:
    if name == "age":
        return int(text) // 10
    if text in names:
        return names.index(text)
    return names.index("another code") if text else len(names) - 1


def expected(rows: IntArray, records: IntArray) -> list[int]:
    """Distinct records that occur among the rows, and rows with a record that differs in one column at most."""
    occurring = {tuple(row) for row in rows.tolist()} & {tuple(record) for record in records.tolist()}
    differ = (rows[:, None, :] != records[None, :, :]).sum(axis=2).min(axis=1)
    return [len(occurring), int((differ <= 1).sum())]


def assert_the_log_holds(folder: Path) -> None:
    export(folder / "export", by="user:amir", reason="yearly check")
    assert verify.verify(folder / "export", key=str(keys.public())).findings == []


def test_found_categories_are_compared_in_the_codes_of_the_release(house: Site, tmp_path: Path) -> None:
    """The declared codes of a searched column are others than the found ones: the counts must not mix them up."""
    content = codes(3000)
    house.dataset = privacy_site.dataset(house.owner, content=content, **SEARCHED)
    request, records = handed_over(house, Disclosure.STEWARDS, rows=40)
    columns = selectors.columns(house.dataset, release=request.release_key)
    labels = {name: list(columns.labels(name)) for name in selectors.domain(house.dataset).columns}
    assert set(COMMON) <= set(labels["code"])
    truth = expected(in_codes(content, labels), records)
    request, counts = compared(request)
    assert counts == truth
    assert 0 < truth[0] <= 40
    charged, records = handed_over(house, Disclosure.CHARGED, rows=40)
    charged, noised = compared(charged)
    assert charged.state == S.CHECKING
    assert selectors.budget(house.dataset.population_id).spent == request.rho + charged.rho
    sigmas = [one["sigma"] for one in CheckRecord.objects.get(key=str(charged.pk)).results]
    truth = expected(in_codes(content, labels), records)
    assert all(abs(one - true) < 6 * sigma for one, true, sigma in zip(noised, truth, sigmas, strict=True))
    assert_the_log_holds(tmp_path)


def test_a_table_of_many_shards_is_compared_as_one(
    house: Site, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    """Every shard's records are handed over, each distinct one once."""
    settings.SHARD_ROWS, drawn = 250, []
    monkeypatch.setattr(sharding, "NAP_SECONDS", 0.02)
    monkeypatch.setattr(sharding.current_app, "send_task", lambda name, args, **_: drawn.append(name))
    content = request_site.table(1999)
    house.dataset = privacy_site.dataset(
        house.owner, content=content, exactChecks=True, title="Sharded", population="q"
    )
    request, records = handed_over(house, Disclosure.CHARGED, rows=1001)
    assert sharding.TASK in drawn, "it was drawn in shards"
    assert len(records) == len(np.unique(records, axis=0)) == request.run.handed_over.distinct
    request, noised = compared(request)
    assert request.state == S.CHECKING
    told = request.run.package.manifest["disclosure"]
    assert (told["mode"], told["distinct"], len(told["counts"])) == ("charged", len(records), 2)
    assert selectors.budget(house.dataset.population_id).spent == request.rho
    sigma = told["counts"][1]["sigma"]
    assert abs(noised[1] - 1999) < 6 * sigma, "few records are possible, so every row has a neighbour"
    assert_the_log_holds(tmp_path)
