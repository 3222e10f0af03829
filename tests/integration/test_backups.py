"""A backup is whole or none; restored, it spends nothing twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import postgres_server

ROOT = Path(__file__).resolve().parents[2]


class Site:
    """A site in processes of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        own = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
        self.environment = own | {"SITE_DIR": str(folder), **environment}

    def run(self, *command: str, refused: bool = False, told: str = "") -> str:
        done = subprocess.run(
            [sys.executable, *command], input=told, cwd=ROOT, env=self.environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert bool(done.returncode) == refused, done.stdout + done.stderr
        return done.stdout + done.stderr

    def manage(self, *command: str, refused: bool = False) -> str:
        return self.run("manage.py", *command, refused=refused)

    def act(self, *command: str) -> dict[str, object]:
        return dict(json.loads(self.run("-m", "tests.real_site", told=json.dumps(command)).splitlines()[-1]))

    def heir(self, folder: Path, **environment: str) -> Site:
        """An empty site elsewhere, with this one's keys and anchors: they are not in a backup."""
        folder.mkdir()
        for name in ("keys", "anchors"):
            (self.folder / name).mkdir(exist_ok=True)
            shutil.copytree(self.folder / name, folder / name)
        return Site(folder, **environment)


@pytest.fixture
def used(tmp_path: Path) -> Site:
    site = Site(tmp_path / "site")
    site.act("make")
    site.act("declare", "people", "1")
    return site


def test_a_backup_comes_back_and_a_damaged_one_does_not(used: Site, tmp_path: Path) -> None:
    out = tmp_path / "backup"
    assert "keep keys elsewhere" in used.manage("backup_site", "--out", str(out))
    assert "is not empty" in used.manage("backup_site", "--out", str(out), refused=True)
    assert "of this site is not empty" in used.manage("restore_site", "--from", str(out), refused=True)

    broken = tmp_path / "broken"
    shutil.copytree(out, broken)
    with (broken / "default.database").open("ab") as file:
        file.write(b"x")
    heir = used.heir(tmp_path / "heir")
    take = ("restore_site", "--from", str(broken))
    assert "default.database is not as it was written" in heir.manage(*take, refused=True)
    (broken / "default.database").unlink()
    assert "default.database is missing" in heir.manage(*take, refused=True)
    (broken / "backup.json").unlink()
    assert "no whole backup" in heir.manage(*take, refused=True)

    assert "start it" in heir.manage("restore_site", "--from", str(out))
    sealed = [path.name for path in sorted((used.folder / "vault").iterdir())]
    assert [path.name for path in sorted((heir.folder / "vault").iterdir())] == sealed != []
    assert not list((out / "files").rglob("*.note"))
    heir.manage("verify_log")


def test_an_older_backup_is_refused_until_reconciled(used: Site, tmp_path: Path) -> None:
    """After the backup the site spends; what was restored does not offer that again."""
    out = tmp_path / "backup"
    used.manage("backup_site", "--out", str(out))
    used.act("declare", "others", "1")
    used.manage("verify_log")
    used.manage("export_audit", "--out", str(tmp_path / "export"))
    heir = used.heir(tmp_path / "heir")
    assert "It does not start yet" in heir.manage("restore_site", "--from", str(out))
    refused = heir.run("-m", "celery", "-A", "llmsynthor_site", "worker", "-Q", "mail", refused=True)
    assert "the audit log is not available" in refused


@pytest.fixture(scope="module")
def server() -> Iterator[postgres_server.Server]:
    if not postgres_server.available():
        pytest.skip("NOT TESTED HERE: a backup of PostgreSQL needs PostgreSQL")
    running = postgres_server.Server()
    yield running
    running.close()


@pytest.mark.long_only
def test_a_backup_of_postgresql(server: postgres_server.Server, tmp_path: Path) -> None:
    first = {"DATABASE_URL": server.create("one"), "LOG_DATABASE_URL": server.create("one_log")}
    second = {"DATABASE_URL": server.create("two"), "LOG_DATABASE_URL": server.create("two_log")}
    site = Site(tmp_path / "site", **first)
    site.act("make")
    site.act("declare", "people", "1")
    site.manage("backup_site", "--out", str(tmp_path / "backup"))
    heir = site.heir(tmp_path / "heir", **second)
    assert "start it" in heir.manage("restore_site", "--from", str(tmp_path / "backup"))
    heir.manage("verify_log")
    assert "of this site is not empty" in heir.manage("restore_site", "--from", str(tmp_path / "backup"), refused=True)
