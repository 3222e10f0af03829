"""Unknown categories from upload to download: frequent ones are found and used, rare ones are seen nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from audit import keys, verify
from audit.export import export
from audit.models import LogEntry
from llmsynthor_site import joining
from privacy import accounting, ledger, measuring, places, plans, retention, selectors, services, staging, vault
from privacy.dp import opendp_door
from privacy.dp.counting import BatchCounter
from privacy.errors import MeasuringFailed, NotReady, SealBroken
from privacy.models import Dataset, LedgerEntry, ReleaseRecord
from privacy.values import Clique, Domain, IntArray, NoisyMarginal
from synthesis.models import SynthesisRequest
from tests import privacy_site, request_site
from tests.canaries import hits, sinks
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
RARE, LONG, COMMON = "canaryrarecode", "canary far too long to be a key", ("kilo", "lima", "mike")
DELTA, RHO = Decimal("1e-8"), Decimal("0.5")
CODE: dict[str, Any] = {
    "name": "code", "type": "string", "other": "another code",
    "discover": {"maxKeys": 20, "maxLength": 20, "delta": "1e-8"},
}  # fmt: skip
CHANGES: dict[str, Any] = {
    "population": "people with codes",
    "fields": [*privacy_site.FIELDS[:2], CODE],
    "cap": {"rho": "2", "delta": "1e-6", "discoveryDelta": "3e-8"},
}


def table(rows: int = 3000) -> bytes:
    """Codes that sex foretells; some cells missing, one rare code, one text too long to be a key."""
    codes = [COMMON[0] if i % 2 else COMMON[1 + i % 3 // 2] for i in range(rows)]
    codes[::50] = [""] * len(codes[::50])
    codes[7], codes[9] = RARE, LONG
    return ("sex,age,code\n" + "".join(f"{'fm'[i % 2]},{i % 100},{code}\n" for i, code in enumerate(codes))).encode()


@pytest.fixture
def house() -> Site:
    made = request_site.make()
    made.dataset = privacy_site.dataset(made.owner, content=table(), title="Codes", publicLabels=True, **CHANGES)
    return made


class Onlooker:
    """Expects nothing, over whatever domain it is made for."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    def expected(self, clique: Clique) -> IntArray:
        return np.zeros(clique.shape(self.domain), dtype=np.int64)

    def observe(self, marginal: NoisyMarginal) -> None:
        pass


def plan(found: Dataset) -> plans.MeasurementPlan:
    return plans.searching(plans.all_pairs(selectors.domain(found)), selectors.schema(found).searches)


def opened(found: Dataset, *, key: str = "r1", delta: Decimal = DELTA) -> ReleaseRecord:
    ledger.reserve(dataset=found, rho=RHO, delta=delta, key=key, by="system")
    return services.open_release(dataset=found, rho=RHO, plan=plan(found), key=key)


def test_found_codes_go_the_whole_way_and_rare_ones_nowhere(house: Site, tmp_path: Path) -> None:
    with open_door():
        request = house.released()
    release = ReleaseRecord.objects.get(pk=request.release_key)
    assert release.discovered == {"code": list(COMMON)}
    assert selectors.released(release.pk).domain.sizes == (2, 11, 5)
    found = sinks(house, request, console="", left=tmp_path / "nothing")
    made = pd.read_csv(Path(settings.SITE_DIR) / "packages" / str(request.run.package.pk) / "data.csv")
    assert set(made["code"].dropna()) <= {*COMMON, "another code"}
    assert (made["code"] == COMMON[0]).mean() == pytest.approx(0.5, abs=0.1), "within five standard deviations"
    assert (made[made["sex"] == "m"]["code"] == COMMON[0]).mean() > 0.8, "how codes go with sex was measured"
    assert any(COMMON[0].encode() in content for content in found["prompts"].values()), "found labels may be told"
    del found["temporary files"]  # those of the whole machine: other sites' tests leave theirs there
    assert hits(found, {"a rare code": RARE.encode(), "a long code": LONG.encode()}) == []
    assert_it_verifies(tmp_path)


def assert_it_verifies(folder: Path) -> None:
    """The log alone shows that it was paid for, and that every found label in a prompt was let out before."""
    export(folder / "export", by="user:amir", reason="yearly check")
    report = verify.verify(folder / "export", key=str(keys.public()))
    assert report.findings == []
    assert report.counts["found labels matched to the release"] > 0


def test_the_pages_say_what_was_searched_and_found(house: Site) -> None:
    request = house.measured()
    charge = LedgerEntry.objects.get(facts__kind="discovery")
    told = {
        address: client(house.stella).get(address).content.decode()
        for address in (
            f"/statistics/{charge.pk}/", house.dataset.get_absolute_url(),
            *(f"{request.get_absolute_url()}gate/{gate}/" for gate in ("measure", "egress")),
        )
    }  # fmt: skip
    charged, about, asked, leaving = told.values()
    assert all(f"<li>{code}</li>" in charged for code in COMMON)
    assert "up to 20 are found in each release" in about
    assert "unknown categories" in asked
    assert "kilo, lima, mike, another code" in leaving
    assert "3 categories" in leaving
    auditor = client(house.amir).get(f"/statistics/{charge.pk}/").content.decode()
    assert "kilo" in auditor


def client(person: Any) -> Client:
    found = Client()
    found.force_login(person, backend="llmsynthor_site.backends.RoleBackend")
    return found


def test_the_search_is_in_ledger_and_log_before_the_data_are_read(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def after_the_charge(honest: Callable[..., Any], what: str) -> Callable[..., Any]:
        def looked(*args: Any) -> Any:
            assert LogEntry.objects.filter(action="privacy:ledger:commit").exists()
            looks.append(what)
            return honest(*args)

        return looked

    monkeypatch.setattr(BatchCounter, "tables", after_the_charge(BatchCounter.tables, "rows"))
    monkeypatch.setattr(vault, "numbered", after_the_charge(vault.numbered, "texts"))
    found = measuring.run(plan(house.dataset), Onlooker, release=opened(house.dataset))
    assert looks[:3] == ["rows", "texts", "rows"]
    leaf = json.loads(bytes(LogEntry.objects.filter(action="privacy:ledger:commit").earliest("index").leaf))
    charge = LedgerEntry.objects.get(facts__kind="discovery")
    assert leaf["facts"] | {"entry": str(charge.pk), "kind": "discovery"} == leaf["facts"]
    assert leaf["facts"]["threshold"] > 1
    assert Decimal(leaf["facts"]["delta"]) == charge.delta <= DELTA
    assert found.rho == RHO
    budget = selectors.budget(house.dataset.population_id)
    assert (budget.spent, budget.spent_delta) == (RHO, DELTA), "what was set aside and not used is forfeited"


def test_a_retry_returns_the_stored_release_and_searches_once(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    release = opened(house.dataset)
    first = measuring.run(plan(house.dataset), Onlooker, release=release)
    monkeypatch.setattr(vault, "passes", lambda version: pytest.fail("the vault was opened again"))
    monkeypatch.setattr(opendp_door, "key_threshold", lambda **asked: pytest.fail("searched again"))
    again = measuring.run(plan(house.dataset), Onlooker, release=opened(house.dataset))
    assert (again.domain, again.rho) == (first.domain, first.rho)
    assert LedgerEntry.objects.filter(facts__kind="discovery").count() == 1


def test_a_worker_that_died_after_searching_pays_for_all_and_shows_nothing(
    house: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*args: Any, **values: Any) -> Any:
        raise Killed

    release = opened(house.dataset)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(staging, "execute", killed)
        measuring.run(plan(house.dataset), Onlooker, release=release)
    ReleaseRecord.objects.filter(pk=release.pk).update(beat_at=timezone.now() - timedelta(hours=1))
    with pytest.raises(MeasuringFailed):
        measuring.run(plan(house.dataset), Onlooker, release=release)
    release.refresh_from_db()
    assert (release.state, release.discovered) == ("FAILED", {})
    budget = selectors.budget(house.dataset.population_id)
    assert (budget.spent, budget.spent_delta, budget.reserved_delta) == (RHO, DELTA, 0)


@pytest.mark.parametrize("last", ["", LONG, RARE], ids=["missing", "too long", "one text"])
def test_whether_one_row_holds_a_text_never_decides_whether_a_release_succeeds(last: str) -> None:
    """Neighbours: a column without any possible key, and the same with one row's text."""
    people = request_site.make()
    rows = "".join(f"{'fm'[i % 2]},{i % 100},\n" for i in range(200))
    content = f"sex,age,code\n{rows}m,3,{last}\n".encode()
    found = privacy_site.dataset(people.owner, content=content, title="Empty", publicLabels=True, **CHANGES)
    record = opened(found)
    measuring.run(plan(found), Onlooker, release=record)
    record.refresh_from_db()
    assert (record.state, record.discovered) == (ReleaseRecord.State.MEASURED, {"code": []})


def test_each_release_has_its_own_categories(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    first = measuring.run(plan(house.dataset), Onlooker, release=opened(house.dataset))
    monkeypatch.setattr(opendp_door.KeyThreshold, "release", lambda door, counts: {"mike": 900})
    second = measuring.run(plan(house.dataset), Onlooker, release=opened(house.dataset, key="r2"))
    monkeypatch.setattr(opendp_door.KeyThreshold, "release", lambda door, counts: {})
    third = measuring.run(plan(house.dataset), Onlooker, release=opened(house.dataset, key="r3"))
    assert [each.domain.size("code") for each in (first, second, third)] == [5, 3, 2]
    labels = [selectors.columns(house.dataset, release=each.id).labels("code") for each in (first, second, third)]
    assert labels[1:] == [("mike", "another code", "(missing)"), ("another code", "(missing)")]
    assert labels[0][:3] == COMMON
    with pytest.raises(ledger.CapExceeded):
        opened(house.dataset, key="r4")


def test_a_plan_that_searches_otherwise_is_refused_before_it_costs(house: Site) -> None:
    ledger.reserve(dataset=house.dataset, rho=RHO, delta=Decimal(0), key="none", by="system")
    with pytest.raises(ValueError, match="searches the columns"):
        without = plans.all_pairs(selectors.domain(house.dataset))
        services.open_release(dataset=house.dataset, rho=RHO, plan=without, key="none")
    with pytest.raises(NotReady, match="another amount"):
        services.open_release(dataset=house.dataset, rho=RHO, plan=plan(house.dataset), key="none")
    assert LedgerEntry.objects.filter(kind="COMMIT").count() == 0


def test_a_request_counts_the_searched_delta_into_its_own(house: Site) -> None:
    request = house.request(epsilon=Decimal(1), delta=Decimal("2e-8"))
    assert measuring.epsilon_of(rho=request.rho, delta=DELTA) <= 1
    assert request.rho < accounting.rho_for(epsilon=Decimal(1), delta=Decimal("2e-8"))
    with pytest.raises(ValidationError, match="delta must be above 1e-8"):
        house.request(delta=DELTA)
    for _ in range(3):
        joining.reserve(approved(house))
    with pytest.raises(ValidationError, match="too little delta left"):
        house.request()


def approved(house: Site) -> SynthesisRequest:
    request = house.submitted(epsilon=Decimal("0.1"))
    for steward in (house.stella, house.stefan):
        house.vote(request, steward)
    return SynthesisRequest.objects.get(pk=request.pk)


def test_targets_go_with_unknown_categories(house: Site) -> None:
    request = house.measured(targets=["code"])
    tables = {each.clique.columns for each in selectors.released(request.release_id).marginals}
    assert {("sex", "code"), ("age", "code")} <= tables


def test_texts_are_sealed_and_destroyed_with_their_version(house: Site) -> None:
    version = house.dataset.versions.get()
    assert sorted(vault.numbered(version)["code"].values()) == sorted([*COMMON, RARE])
    assert RARE.encode() not in places.sealed_texts(version.pk).read_bytes()
    retention.destroy_version(by=house.owner, version=version, reason="The study is over.")
    assert not places.sealed_texts(version.pk).exists()
    with pytest.raises(SealBroken):
        vault.numbered(version)
