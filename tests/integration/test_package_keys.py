"""Packages are signed by a key of their own, which the log vouches for; nothing else signs one unseen."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from audit import events, key_care, keys, package_keys, verify, verify_package
from audit.errors import LogUnavailable
from audit.export import export
from audit.notes import PrivateKey
from llmsynthor_site import production
from llmsynthor_site.celery import stop_without_the_key_of_packages
from synthesis import packaging, reviewing, running, services
from synthesis.models import SynthesisRequest
from synthesis.states import Gate
from synthesis.states import RequestState as S
from tests import request_site
from tests.unit.test_packaging import FACTS, REPORT

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


def packed(folder: Path, *, key: PrivateKey | None = None, named: str | None = "") -> Path:
    """A package signed by the key in force, or by ``key``; its entry in the log names the signer, ``named`` or none."""
    signer = key or package_keys.signing(by="system")
    with packaging.TableFiles(folder) as files:
        files.add(pd.DataFrame({"x": [1, 2, 3]}))
    packaging.write_package(folder, report=REPORT, facts=FACTS, key=signer, log_key=keys.public(), papers={})
    digest = packaging.sha256_of(folder / "manifest.json")
    facts = {"request": "q1", "package": "p1", "sha256": digest, "files": {}}
    facts |= {} if named is None else {"key": named or str(signer.public)}
    events.append(action="synthesis:package:built", by="system", subject="run:u1", facts=facts)
    return folder


def exported(folder: Path) -> Path:
    export(folder, by="user:amir", reason="A check.")
    return folder


def checked(package: Path, key: object, *more: object) -> int:
    return verify_package.main([str(package), "--key", str(key), *map(str, more)])


def broken(folder: Path) -> list[str]:
    """What the verifier of the log says of an export's keys."""
    report = verify.verify(folder, key=str(keys.public()))
    return [one["message"] for one in report.findings if one["check"] == "keys"]


def test_a_package_holds_by_its_own_key_or_by_the_log_that_vouches_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house = request_site.make()
    with request_site.open_door():
        request = house.synthesised()
    package, log = packaging.package_folder(str(request.run.package.pk)), exported(tmp_path / "log")
    own, of_log = keys.packages().public, keys.public()
    assert own.raw != of_log.raw
    assert [line for line in (package / "VERIFY.txt").read_text().split() if line in (str(own), str(of_log))] == [
        str(own), str(of_log),
    ]  # fmt: skip
    assert package_keys.vouched() == [str(own)]
    assert checked(package, own) == 0
    assert checked(package, own, "--log", log, "--log-key", of_log) == 1
    assert "nobody released it: it was built, and no more" in capsys.readouterr().out
    for steward in (house.stella, house.stefan):
        house.vote(request, steward, Gate.OUTPUT)
    log = exported(tmp_path / "released")
    assert checked(package, own, "--log", log, "--log-key", of_log) == 0
    assert checked(package, of_log, "--log", log) == 0, "one key is enough: the log vouches for the other"
    reviewing.recall(by=house.stella, request=SynthesisRequest.objects.get(pk=request.pk), reason="A mistake.")
    assert checked(package, of_log, "--log", exported(tmp_path / "recalled")) == 1
    assert "it was recalled: stop using every copy" in capsys.readouterr().out
    assert checked(package, of_log) == 1, "the log's key signs no packages any more"
    assert verify.verify(log, key=str(of_log)).counts["keys of packages"] == 1


def test_what_the_log_vouches_for_is_told_offline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = packed(tmp_path / "package")
    log, own, of_log = exported(tmp_path / "log"), keys.packages().public, keys.public()
    assert broken(log) == []
    capsys.readouterr()
    assert checked(package, own, "--json") == 0
    assert json.loads(capsys.readouterr().out)["signed_by"] == str(own)
    told = verify_package.Told.of(log, key=str(of_log))
    assert [str(one) for one in told.vouched] == [str(own)]
    found, signer = verify_package.signed_by(package, [of_log, *told.vouched])
    assert (found.found, signer) == ([], own)
    assert verify_package.signed_by(package, [of_log])[0].found, "without the log, its key vouches for nothing"


def test_packages_of_before_signed_by_the_log_s_key_still_hold(tmp_path: Path) -> None:
    package = packed(tmp_path / "package", key=keys.signing(), named=None)
    log = exported(tmp_path / "log")
    assert broken(log) == []
    assert checked(package, keys.public()) == 0
    packed(tmp_path / "next")
    assert broken(exported(tmp_path / "later")) == []
    assert checked(package, keys.public()) == 0


@pytest.mark.parametrize("named", ["", None], ids=["named", "unnamed"])
def test_a_package_by_another_key_than_the_log_vouches_for_is_found(tmp_path: Path, named: str | None) -> None:
    """Planted: whoever holds another key, the log's own among them, signs and even has it entered in the log."""
    packed(tmp_path / "honest")
    for number, thief in enumerate((PrivateKey.make(keys.packages().public.name), keys.signing())):
        package = packed(tmp_path / f"forged-{number}", key=thief, named=named)
        log = exported(tmp_path / f"log-{number}")
        assert "a package is signed by a key that the log does not vouch for" in broken(log)
        assert checked(package, keys.packages().public) == 1
        assert checked(package, keys.public(), "--log", log) == 1


def test_a_package_whose_entry_names_another_key_is_found(tmp_path: Path) -> None:
    """Planted: signed with the log's key, while its entry names the key of packages."""
    package_keys.signing(by="system")
    package = packed(tmp_path / "package", key=keys.signing(), named=str(keys.packages().public))
    told = verify_package.Told.of(exported(tmp_path / "log"), key=str(keys.public()))
    found, signer = verify_package.signed_by(package, [keys.public()])
    told.check({}, packaging.sha256_of(package / "manifest.json"), signer, found)
    assert "names another key than the one that signed the package" in [one.message for one in found.found]


def test_a_turn_of_the_key_is_in_the_log_and_earlier_packages_hold_by_the_hand_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, before = keys.packages().public, packed(tmp_path / "before")
    call_command("rotate_package_key")
    new = keys.packages().public
    assert capsys.readouterr().out.strip() == str(new) == (keys.folder() / keys.PACKAGES_PUBLIC).read_text().strip()
    assert (new.name, package_keys.vouched()) == (old.name, [str(old), str(new)])
    after, hand_overs = packed(tmp_path / "after"), keys.folder() / package_keys.STATEMENTS
    assert broken(exported(tmp_path / "log")) == []
    assert (checked(before, old), checked(after, new), checked(before, new), checked(after, old)) == (0, 0, 1, 1)
    for package in (before, after):
        assert checked(package, new, "--rotations", hand_overs) == 0
        assert checked(package, old, "--rotations", hand_overs) == 0
    call_command("list_keys")
    listed = [line.split()[:2] for line in capsys.readouterr().out.splitlines() if line.startswith("packages")]
    assert listed == [["packages", old.id.hex()], ["packages", new.id.hex()]]


def test_a_turn_that_was_interrupted_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(tmp_path / "before")
    for module, name in ((key_care, "keep_statement"), (package_keys, "_vouch"), (package_keys.durable, "sync")):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, lambda *_, **__: (_ for _ in ()).throw(OSError("power gone")))
            with pytest.raises(CommandError, match="power gone"):
                call_command("rotate_package_key")
    call_command("rotate_package_key")
    assert not package_keys.half_done()
    assert package_keys.vouched()[-1] == str(keys.packages().public)
    assert broken(exported(tmp_path / "log")) == []
    assert (
        checked(tmp_path / "before", keys.packages().public, "--rotations", keys.folder() / "packages-rotations") == 0
    )


def test_a_key_laid_in_its_place_signs_nothing_and_a_lost_one_is_replaced_openly(tmp_path: Path) -> None:
    packed(tmp_path / "before")
    first = package_keys.vouched()[0]
    (keys.folder() / keys.PACKAGES).unlink()
    keys.make()  # what a thief, or somebody who mends a broken disk, would do
    with pytest.raises(LogUnavailable, match="not the key the log vouches for: see rotate_package_key"):
        package_keys.signing(by="system")
    with pytest.raises(CommandError, match="rotate_package_key"):
        call_command("rotate_package_key")
    call_command("rotate_package_key", "--lost")
    packed(tmp_path / "after")
    call_command("rotate_package_key")
    assert package_keys.vouched()[0] == first
    assert len(package_keys.vouched()) == 3
    assert broken(exported(tmp_path / "log")) == []
    assert checked(tmp_path / "after", keys.packages().public, "--rotations", keys.folder() / "packages-rotations") == 0


def test_a_run_whose_key_is_not_vouched_for_pauses_and_goes_on_when_it_is(tmp_path: Path) -> None:
    house = request_site.make()
    packed(tmp_path / "before")
    (keys.folder() / keys.PACKAGES).unlink()
    keys.make()
    with request_site.open_door():
        request = house.synthesised()
        assert request.state == S.PAUSED
        call_command("rotate_package_key", "--lost")
        services.resume(by=house.stella, request=request)
        running.synthesise(str(request.pk))
    request = SynthesisRequest.objects.get(pk=request.pk)
    assert request.state == S.CHECKING
    assert checked(packaging.package_folder(str(request.run.package.pk)), keys.packages().public) == 0


def test_no_site_starts_with_the_log_s_key_as_that_of_packages_and_no_worker_that_packs_without_one() -> None:
    assert production.package_key() == []
    (keys.folder() / keys.PACKAGES).write_text((keys.folder() / keys.SIGNING).read_text())
    assert "is the log's own key" in production.package_key()[0]
    with pytest.raises(LogUnavailable, match="log's own key"):
        package_keys.signing(by="system")
    (keys.folder() / keys.PACKAGES).chmod(0o644)
    assert "may be read by others" in production.package_key()[0]
    assert keys.folder() / keys.PACKAGES in keys.exposed()
    (keys.folder() / keys.PACKAGES).unlink()
    assert production.package_key() == [], "a web server has no use for it"
    with pytest.raises(SystemExit, match=r"packages-signing\.key cannot be read; 'manage.py make_keys' makes one"):
        stop_without_the_key_of_packages()
