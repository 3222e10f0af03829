"""A production site does not start as a demonstration, or with keys and anchors where they protect nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from llmsynthor_site import production
from llmsynthor_site.demo.people import PEOPLE
from llmsynthor_site.models import User

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = Path("/dev/shm")  # another device than the folders of tests


@pytest.fixture
def place(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a site whose databases are on a server."""
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
