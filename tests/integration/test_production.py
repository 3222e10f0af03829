"""A production site does not start as a demonstration, or with keys and anchors where they protect nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from llmsynthor_site import production
from llmsynthor_site.demo.people import PEOPLE
from llmsynthor_site.models import User

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = Path("/dev/shm")  # another device than the folders of tests


@pytest.fixture
def place(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a site; its databases count as files that lie elsewhere."""
    site = tmp_path / "production"
    for folder in ("keys", "vault", "anchors"):
        (site / folder).mkdir(parents=True)
    settings.SITE_DIR, settings.PRODUCTION = site, True
    monkeypatch.setattr(production, "database_files", list)
    settings.SECOND_FACTOR_ROLES = ["owner", "steward", "auditor", "admin"]
    return site


def test_a_fit_site_starts(place: Path) -> None:
    assert production.problems() == []


def test_keys_and_anchors_lie_apart(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both on one device are named; a link to another device is apart."""
    (place / "keys" / "vault.key").write_text("00")
    file = place / "site.sqlite3"
    file.touch()
    monkeypatch.setattr(production, "database_files", lambda: [file])
    assert [rule.split(":")[0] for rule in production.problems()] == [
        "the vault's private key lies on the device that holds the vault",
        "anchors/ lies on the database's device",
    ]
    if not ELSEWHERE.is_dir() or ELSEWHERE.stat().st_dev == place.stat().st_dev:
        pytest.skip("this machine has one device only")
    (place / "keys" / "vault.key").unlink()
    (place / "anchors").rmdir()
    (place / "keys" / "vault.key").symlink_to(ELSEWHERE)
    (place / "anchors").symlink_to(ELSEWHERE)
    assert production.problems() == []


def test_anchors_outlive_a_database_on_a_server(place: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has to say so, and the folder is neither missing nor on the device of the site's own."""
    monkeypatch.setattr(production, "served", lambda: True)
    assert [rule.split(":")[0] for rule in production.problems()] == [
        "ANCHORS_APART is empty",
        "anchors/ lies on the device of the site's folder",
    ]
    settings.ANCHORS_APART = "/mnt/anchors, a disk of its own"
    (place / "anchors").rmdir()
    assert "anchors/ lies on the device" in production.problems()[0]
    if not ELSEWHERE.is_dir() or ELSEWHERE.stat().st_dev == place.stat().st_dev:
        pytest.skip("this machine has one device only")
    (place / "anchors").symlink_to(ELSEWHERE)
    assert production.problems() == []
    settings.ANCHORS_APART = ""
    assert "ANCHORS_APART is empty" in production.problems()[0]


def test_a_database_is_on_a_server_or_a_file(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not production.served()
    assert len(production.database_files()) == 2
    monkeypatch.setitem(settings.DATABASES["log"], "ENGINE", "django.db.backends.postgresql")
    assert production.served()
    assert len(production.database_files()) == 1


def test_demonstrations_and_single_factors_are_named(place: Path, settings: Any) -> None:
    settings.DEBUG, settings.SECOND_FACTOR_ROLES = True, ["owner", "admin"]
    assert "DEBUG and DEMO" in production.problems()[0]
    assert "SECOND_FACTOR_ROLES lacks auditor, steward" in production.problems()[1]
    settings.PRODUCTION = False
    assert production.problems() == []


@pytest.mark.django_db(databases=["default"])
def test_people_of_a_demonstration_are_no_people(settings: Any) -> None:
    assert tuple(name for name, *_ in PEOPLE) == production.DEMO_NAMES
    settings.PRODUCTION = True
    settings.SECOND_FACTOR_ROLES = ["owner", "steward", "auditor", "admin"]
    User.objects.create(username="ada", email="ada@hospital.example")
    assert production.demo_accounts() == []
    User.objects.create(username="rosa", email="rosa@example.org")
    with pytest.raises(ImproperlyConfigured, match=r"accounts of a demonstration are open \(rosa\)"):
        production.refuse()


@pytest.mark.django_db(databases=["default"])
def test_a_site_without_tables_has_no_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections["default"].introspection, "table_names", lambda: ["django_migrations"])
    assert production.open_accounts() == []


def test_nothing_starts_while_nobody_can_tell_who_has_an_account(tmp_path: Path) -> None:
    away = {"DATABASE_URL": f"sqlite:///{tmp_path}/away/site.sqlite3"}
    environment = {**os.environ, **away, "SITE_DIR": str(tmp_path), "PRODUCTION": "1", "SECRET_KEY": "x" * 60}
    command = [sys.executable, "-c", "import llmsynthor_site.wsgi"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "the database cannot be asked whether accounts of a demonstration are open" in done.stderr


@pytest.mark.parametrize(
    "command",
    [["-m", "celery", "-A", "llmsynthor_site", "worker", "-Q", "mail"], ["-c", "import llmsynthor_site.wsgi"],
     ["manage.py", "run_door"]],
    ids=["worker", "web", "door"],
)  # fmt: skip
def test_no_process_starts(tmp_path: Path, command: list[str]) -> None:
    """A site whose private key lies in the folder of its vault."""
    site = tmp_path / "production"
    for folder in ("keys", "vault"):
        (site / folder).mkdir(parents=True)
    (site / "keys" / "vault.key").write_text("00")
    (site / "keys" / "vault.key").chmod(0o600)
    environment = {**os.environ, "SITE_DIR": str(site), "PRODUCTION": "1", "SECRET_KEY": "x" * 60}
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "the vault's private key lies on the device that holds the vault" in done.stdout + done.stderr
