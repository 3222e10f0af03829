"""Row E1's other half: an older database of the site beside the whole log spends nothing twice, and says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit import events, keys, log, restored, verify
from audit.errors import LogUnavailable
from audit.export import export
from audit.models import LogEntry, Outbox
from privacy import ledger, selectors, services
from privacy.errors import CapExceeded, NotAffordable
from privacy.models import Dataset, LedgerEntry
from privacy.values import Clique, Measurement, PrivacyUnit
from tests import privacy_site
from tests.append_only import triggers_lifted

ROOT = Path(verify.__file__).parent.parent
PEOPLE = ("--by", "user:olga", "--confirmed-by", "user:omar", "--reason", "the disk failed")
pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def dataset() -> Dataset:
    owner = privacy_site.person("olivia", "owner")
    return services.register_dataset(by=owner, declaration=privacy_site.declaration())


def reserve(dataset: Dataset, rho: str, key: str) -> LedgerEntry:
    return ledger.reserve(dataset=dataset, rho=Decimal(rho), delta=Decimal(0), key=key, by="system")


def spend(reservation: LedgerEntry, rho: str) -> LedgerEntry:
    step = Measurement(
        kind="table", mechanism="discrete gaussian", cliques=(Clique.of("sex", "age"),), sensitivity=1.0, scale=2.5,
        rho=Decimal(rho), delta=Decimal(0), unit=PrivacyUnit(), library="opendp 0.16.0",
    )  # fmt: skip
    return ledger.commit(reservation=reservation, measurement=step, by="system")


def lines() -> list[dict[str, Any]]:
    return list(LedgerEntry.objects.order_by("pk").values())


def assert_same(now: list[dict[str, Any]], before: list[dict[str, Any]]) -> None:
    """The same lines; their times as the log holds them, which it enters a moment later and to the second."""
    assert [line | {"at": None} for line in now] == [line | {"at": None} for line in before]
    for line, earlier in zip(now, before, strict=True):
        assert abs(line["at"] - earlier["at"]) < timedelta(minutes=1)


def as_before(line: LedgerEntry) -> None:
    """The site's database as it was before this line of the ledger; the log stays as it is."""
    event = LogEntry.objects.filter(action__startswith="privacy:ledger:")
    first = next(one for one in event.order_by("index") if log.entry(one.index).facts["entry"] == str(line.pk))
    row = Outbox.objects.get(event_id=first.event_id)
    with triggers_lifted(connection):
        LedgerEntry.objects.filter(pk__gte=line.pk, reservation__isnull=False).delete()
        LedgerEntry.objects.filter(pk__gte=line.pk).delete()
        Outbox.objects.filter(pk__gte=row.pk).delete()


def test_an_older_ledger_spends_nothing_until_it_is_reconciled(dataset: Dataset, tmp_path: Path) -> None:
    early = reserve(dataset, "0.5", "early")
    late = reserve(dataset, "1.2", "late")
    for reservation, rho in ((early, "0.2"), (late, "0.7")):
        spend(reservation, rho)
    ledger.forfeit(reservation=late, by="system", reason="the run failed")
    was, budget = lines(), selectors.budget(dataset.population_id)
    as_before(late)
    assert selectors.budget(dataset.population_id).left == Decimal("1.5"), "the older state offers what was spent"
    steps: list[Callable[[], Any]] = [
        lambda: reserve(dataset, "0.1", "more"), lambda: spend(early, "0.1"),
        lambda: ledger.forfeit(reservation=early, by="system", reason="x"),
        lambda: privacy_site.person("max", "owner"), restored.check,
    ]  # fmt: skip
    for step in steps:
        with pytest.raises(LogUnavailable, match="lacks events that the log tells of"):
            step()
    call_command("reconcile_site", *PEOPLE)
    assert_same(lines(), was)
    assert selectors.budget(dataset.population_id) == budget
    with pytest.raises(CapExceeded):
        reserve(dataset, "0.4", "more")
    with pytest.raises(NotAffordable):
        spend(late, "0.1")
    assert spend(early, "0.3").pk > was[-1]["id"], "numbers go on after the lines that came back"
    assert reserve(dataset, "1.2", "late").pk == late.pk, "a repeated call finds the first one's entry"
    export(tmp_path / "export", by="user:ada", reason="nightly")
    report = verify.verify(tmp_path / "export", key=str(keys.public()))
    assert report.counts["restores reconciled"] == 1
    assert {one["check"] for one in report.findings} <= {"gates"}, "no request of these charges is in this log"


def test_one_person_or_no_reason_reconciles_nothing(dataset: Dataset, capsys: Any) -> None:
    as_before(reserve(dataset, "1", "late"))
    for arguments, rule in (
        (("--by", "user:olga"), "two different people"),
        ((*PEOPLE, "--confirmed-by", "user:olga"), "two different people"),
        ((*PEOPLE, "--reason", " "), "a --reason"),
    ):
        with pytest.raises(CommandError, match=rule):
            call_command("reconcile_site", *arguments)
    capsys.readouterr()
    call_command("reconcile_site", "--list")
    assert "can be entered again: 1." in capsys.readouterr().out
    with pytest.raises(LogUnavailable):
        restored.check()


def test_a_whole_site_has_nothing_to_reconcile(dataset: Dataset, capsys: Any) -> None:
    reserve(dataset, "1", "r")
    events.append(action="test:thing:happened", by="user:x", subject="thing:1", facts={})
    size = log.size()
    call_command("reconcile_site", *PEOPLE)
    assert "tells of 0 events" in capsys.readouterr().out
    assert log.size() == size


# --- real files, copied as a backup copies them

SITE = """
import django
django.setup()
from decimal import Decimal
from django.core.management import call_command
from privacy import ledger, services
from privacy.models import Dataset
from tests import privacy_site
def reserve(dataset, rho, key):
    return ledger.reserve(dataset=dataset, rho=Decimal(rho), delta=Decimal(0), key=key, by="system")
def register(title, **changes):
    owner = privacy_site.User.objects.get(username="olivia")
    return services.register_dataset(by=owner, declaration=privacy_site.declaration(title=title, **changes))
"""
MAKE = """
from audit import keys
for alias in ("default", "log"):
    call_command("migrate", database=alias, verbosity=0, skip_checks=True)
keys.make()
privacy_site.person("olivia", "owner")
register("Small")
"""
SPEND = 'reserve(Dataset.objects.get(title="Small"), "2", "all of it")'
NEW = 'reserve(register("Other", population="other people"), "1", "of another")'
LEFT = """
from privacy import selectors
print(selectors.budget(Dataset.objects.get(title="Small").population_id).left)
"""
RECONCILE = f'call_command("reconcile_site", *{PEOPLE!r}, *sys.argv[1:], skip_checks=True)'


def test_a_backup_copied_back_gives_no_budget_back(tmp_path: Path) -> None:
    site = tmp_path / "copied"
    site.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    kept |= {"SITE_DIR": str(site), "DJANGO_SETTINGS_MODULE": "llmsynthor_site.settings"}

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "import sys\n" + SITE + code, *arguments]
        return subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False)

    assert run(MAKE).returncode == 0
    database = next(path for path in site.rglob("*.sqlite3") if "log" not in path.name)
    shutil.copy(database, tmp_path / "backup")
    assert run(SPEND).returncode == run(NEW).returncode == 0
    for left_over in database.parent.glob(f"{database.name}-*"):
        left_over.unlink()
    shutil.copy(tmp_path / "backup", database)
    refused = run(SPEND)
    assert (refused.returncode, "lacks events that the log tells of" in refused.stderr) == (1, True)
    half = run(RECONCILE)
    assert (half.returncode, "unknown populations" in half.stderr) == (1, True)
    whole = run(RECONCILE, "--without-populations")
    assert (whole.returncode, whole.stderr) == (0, "")
    assert "privacy:dataset:registered" in whole.stdout, "what no line of the ledger gives back is told"
    assert Decimal(run(LEFT).stdout) == 0
    assert "CapExceeded" in run('reserve(Dataset.objects.get(title="Small"), "0.1", "more")').stderr
