"""A backup is whole or none; restored, it spends nothing twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from benchmarks import postgres_server
from llmsynthor_site.operations import backups

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


@pytest.fixture
def changed(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backup of one sealed file, beside a live site that takes it; databases aside."""
    settings.SITE_DIR = site = tmp_path / "site"
    for name in ("keys", "anchors", "vault"):
        (site / name).mkdir(parents=True)
    (site / "keys" / "log.key").write_text("the site's own")
    for alias in backups.ALIASES:
        monkeypatch.setattr(connections[alias].introspection, "table_names", list)
    monkeypatch.setattr(backups, "load", lambda alias, path: None)
    folder = tmp_path / "backup"
    (folder / "files" / "vault" / "one").mkdir(parents=True)
    for name in ("default.database", "log.database", "files/vault/one/part.sealed"):
        (folder / name).write_text(name)
    return folder


def relist(folder: Path, *more: str) -> None:
    """Whoever changes a backup can change its list as well."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    told = {
        "files": {name: backups.digest(folder / name) for name in (*names, *more) if name != "backup.json"},
        "engines": {alias: connections[alias].vendor for alias in backups.ALIASES},
    }
    (folder / "backup.json").write_text(json.dumps(told))


@pytest.mark.parametrize(
    "name",
    ["files/keys/log.key", "files/anchors/9.note", "files/vault/link", "files/door", "files/backup.json", "more"],
)
def test_a_changed_backup_overwrites_neither_keys_nor_anchors(changed: Path, tmp_path: Path, name: str) -> None:
    """Another folder's file, links to a file and to a folder, and what lies beside what a backup has."""
    kept, path = tmp_path / "site" / "keys" / "log.key", changed / name
    path.parent.mkdir(exist_ok=True)
    if name in ("files/vault/link", "files/door"):
        path.symlink_to(kept if name.endswith("link") else kept.parent)
    else:
        path.write_text("the attacker's")
    relist(changed)
    with pytest.raises(backups.NoBackup, match=f"{name} is no file that a backup has"):
        backups.restore(changed)
    path.unlink()
    relist(changed, "../site/keys/log.key")
    with pytest.raises(backups.NoBackup, match=r"log\.key is missing"):
        backups.restore(changed)
    relist(changed)
    backups.restore(changed)
    assert (tmp_path / "site" / "vault" / "one" / "part.sealed").exists()
    assert kept.read_text() == "the site's own"
    assert not list((tmp_path / "site" / "anchors").iterdir())


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
