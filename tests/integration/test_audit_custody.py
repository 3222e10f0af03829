"""Keys that several custodians hold together: any three of five restore them, fewer open nothing."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest
from django.core.checks import run_checks
from django.core.management import call_command

from audit import anchors, bodies, custody, events, key_care, keys, livecheck, log
from audit.errors import AuditError
from tests.witness_process import ROOT

pytestmark = pytest.mark.django_db(databases=["default", "log"])


def append(number=1):
    return events.append(action="test:thing:happened", by="user:ada", subject="t:1", facts={"number": number})


@pytest.fixture
def split(tmp_path):
    (keys.folder() / "vault.key").write_text("11" * 32)
    key_care.rotate_signing(by="user:ina")
    call_command("export_custody", "--out", str(tmp_path / "custody"), "--needed", "3", "--shares", "5")
    return tmp_path / "custody"


def shares(folder, *numbers):
    return [(folder / f"share-{number:03d}.txt").read_text() for number in numbers]


def test_any_three_of_five_restore_a_fresh_site_that_goes_on_with_the_log(split, settings, tmp_path, capsys):
    body, expected = bodies.sealed(b"a prompt", kind="x")
    body.save()
    log.checkpoint()
    before, public, old = keys.folder(), keys.public(), anchors.folder()
    for number, three in enumerate(itertools.combinations(range(1, 6), 3)):
        settings.SITE_DIR = tmp_path / f"fresh-{number}"
        options = [word for at in three for word in ("--share", str(split / f"share-{at:03d}.txt"))]
        call_command("restore_custody", "--bundle", str(split / custody.BUNDLE), *options)
        restored = {path.relative_to(keys.folder()) for path in keys.folder().rglob("*") if path.is_file()}
        assert {str(name) for name in restored} >= {keys.SIGNING, keys.BODIES, "vault.key", "log-rotations/0001.note"}
        assert all((keys.folder() / name).read_bytes() == (before / name).read_bytes() for name in restored)
        assert run_checks() == []
    old.rename(anchors.folder())
    assert keys.public() == public
    assert bodies.opened(body.pk, expected=expected) == b"a prompt"
    append(5)
    assert log.checkpoint().size == log.size()
    assert livecheck.check().found == []


def test_fewer_shares_or_others_open_nothing_and_nothing_is_overwritten(split, tmp_path):
    bundle, into = (split / custody.BUNDLE).read_bytes(), tmp_path / "into"
    with pytest.raises(AuditError, match="3 different shares are needed, 2 were given"):
        custody.restore(bundle, shares(split, 1, 2, 2), into)
    lowered = [custody.Share(one.bundle, 2, one.number, one.value).text()
               for one in map(custody.Share.parse, shares(split, 1, 2))]  # fmt: skip
    with pytest.raises(AuditError, match="do not open this bundle"):
        custody.restore(bundle, lowered, into)
    first, *rest = map(custody.Share.parse, shares(split, 1, 2, 3))
    wrong = custody.Share(first.bundle, 3, 1, bytes(16)).text()
    with pytest.raises(AuditError, match="do not open this bundle"):
        custody.restore(bundle, [wrong, *(one.text() for one in rest)], into)
    with pytest.raises(AuditError, match="belongs to another bundle"):
        custody.restore(bundle + b"x", shares(split, 1, 2, 3), into)
    assert not into.exists()
    with pytest.raises(AuditError, match=r"there already: .*log-signing\.key"):
        custody.restore(bundle, shares(split, 1, 2, 3), keys.folder())


def test_a_slip_in_copying_is_noticed_and_line_breaks_are_not_one(split):
    text = shares(split, 4)[0]
    assert custody.Share.parse(text.replace(" ", "\n  ")) == custody.Share.parse(text)
    at = text.index(" 3 4 ") + 8
    slip = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
    with pytest.raises(AuditError, match="copied wrongly"):
        custody.Share.parse(slip)
    with pytest.raises(AuditError, match="a share reads"):
        custody.Share.parse("something else")


def test_the_split_is_logged_without_secrets_and_sizes_that_make_no_sense_are_refused(split, tmp_path):
    told = log.entry(log.size() - 1)
    assert (told.action, told.facts["needed"], told.facts["shares"]) == ("audit:key:split", 3, 5)
    assert "vault.key" in told.facts["files"]
    assert "django.key" not in told.facts["files"]
    for needed, number in [(1, 3), (4, 3), (2, 256)]:
        with pytest.raises(AuditError, match="at least 2 shares"):
            custody.split(tmp_path / "other", needed=needed, shares=number, by="user:ina")
    with pytest.raises(AuditError, match="must be empty"):
        custody.split(split, needed=2, shares=3, by="user:ina")


def test_the_restore_runs_on_a_machine_that_has_no_site_yet(split, tmp_path):
    environment = {**os.environ, "SITE_DIR": str(tmp_path / "fresh"), "DATABASE_URL": "postgres://nobody@127.0.0.1:1/x"}
    command = [sys.executable, "manage.py", "restore_custody", "--bundle", str(split / custody.BUNDLE)]
    for number in (2, 3, 5):
        command += ["--share", str(split / f"share-{number:03d}.txt")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "fresh" / "keys" / keys.SIGNING).read_bytes() == (keys.folder() / keys.SIGNING).read_bytes()
