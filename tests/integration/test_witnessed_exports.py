"""What the offline verifier makes of the cosignatures and timestamps that came back from witnesses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import call_command

from audit import events, keys, log, notes, receipts, verify, witnessing
from audit.cosignatures import WitnessKey
from audit.notes import PrivateKey
from tests import witness_process
from tests.fakes.timestamp_authority import Authority

pytestmark = pytest.mark.django_db(databases=["default", "log"])
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL plays the timestamp authority")


def append(number=1):
    return events.append(action="test:thing:happened", by="user:ada", subject="t:1", facts={"number": number})


@pytest.fixture
def witness(tmp_path, settings):
    with witness_process.board(tmp_path / "witness", keys.public(), settings) as running:
        yield running


@pytest.fixture
def authority(tmp_path, settings):
    made = Authority(tmp_path / "authority")
    settings.WITNESSES = {"notary": {"timestamp": made.url, "ca": str(made.certificate)}}
    yield made
    made.close()


def export(folder, *options):
    call_command("export_audit", "--out", str(folder), *options, stdout=StringIO())
    return folder


def run(folder, *options):
    command = [sys.executable, "-m", "audit.verify", str(folder), "--key", str(keys.public()), "--json", *options]
    done = subprocess.run(command, cwd=witness_process.ROOT, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def test_the_verifier_requires_a_witness_on_the_newest_checkpoint_and_says_what_it_saw(tmp_path, witness):
    append()
    log.checkpoint()
    witnessing.submit_newest()
    folder = export(tmp_path / "export", "--tiles")
    said = verify.as_text(verify.verify(folder, key=str(keys.public()), witnesses=[witness.public]))
    assert "checkpoints cosigned by witness.example/w1: 2, the newest of 2 entries at 20" in said
    code, report = run(folder, "--witness", witness.public)
    assert (code, report["findings"]) == (0, [])
    (vouched,) = report["witnesses"]
    assert (vouched["witness"], [size for size, _ in vouched["checkpoints"]]) == ("witness.example/w1", [1, 2])
    assert 0 <= vouched["age_seconds"] < 120
    assert "\u2014 witness.example/w1 " in (folder / "tlog" / "checkpoint").read_text()
    stranger = WitnessKey.of(PrivateKey.make("witness.example/w2"))
    code, report = run(folder, "--witness", witness.public, "--witness", str(stranger))
    assert code == 1
    assert [one["place"] for one in report["findings"]] == ["witness.example/w2"]


def test_an_export_after_the_witness_went_away_holds_but_not_for_who_requires_it(tmp_path, witness):
    append()
    log.checkpoint()
    witnessing.submit_newest()
    witness.kill()
    folder = export(tmp_path / "export")
    report = verify.verify(folder, key=str(keys.public()))
    assert report.verdict == "holds"
    report = verify.verify(folder, key=str(keys.public()), witnesses=[witness.public])
    assert [one["message"] for one in report.findings] == ["did not cosign the newest checkpoint, of 2 entries"]
    assert [size for size, _ in report.witnesses[0].checkpoints] == [1]


def test_a_forged_line_under_the_name_of_a_witness_fails(tmp_path, site, witness):
    append()
    log.checkpoint()
    witnessing.submit_newest()
    place = site / "anchors" / "witnesses" / "board" / "000000000001.cosig"
    key = WitnessKey.parse(witness.public)
    place.write_text(notes.signature_line(key.name, key.id, bytes(72)))
    report = verify.verify(export(tmp_path / "export"), key=str(keys.public()), witnesses=[witness.public])
    assert [one["message"] for one in report.findings] == ["the cosignature by witness.example/w1 does not hold"]


@needs_openssl
def test_timestamps_are_kept_exported_and_verified(tmp_path, authority):
    append()
    log.checkpoint()
    assert witnessing.submit_newest() == 1
    folder = export(tmp_path / "export")
    report = verify.verify(folder, key=str(keys.public()), timestamp_ca=authority.certificate)
    assert (report.findings, report.counts["timestamps"]) == ([], 2)
    assert [(one.witness, len(one.checkpoints)) for one in report.timestamps] == [("notary", 2)]
    assert verify.verify(folder, key=str(keys.public())).timestamps_note == "not checked: no --timestamp-ca was given"
    stranger = Authority(tmp_path / "stranger")
    stranger.close()
    report = verify.verify(folder, key=str(keys.public()), timestamp_ca=stranger.certificate)
    assert {one["check"] for one in report.findings} == {"timestamps"}


@needs_openssl
def test_without_the_optional_library_timestamps_are_said_to_be_unchecked(tmp_path, authority):
    append()
    folder = export(tmp_path / "export")
    code = (
        "import sys, importlib.util as util; found = util.find_spec;"
        "util.find_spec = lambda name, *more: None if name == 'rfc3161_client' else found(name, *more);"
        "from audit.verify import main; sys.exit(main(sys.argv[1:]))"
    )
    options = [str(folder), "--key", str(keys.public()), "--timestamp-ca", str(authority.certificate)]
    command = [sys.executable, "-c", code, *options]
    done = subprocess.run(command, cwd=witness_process.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "timestamps not checked: the package rfc3161-client is not installed" in done.stdout


@needs_openssl
def test_a_timestamp_of_something_else_is_not_taken(authority):
    append()
    log.checkpoint()
    assert witnessing.submit_newest() == 1
    append()
    authority.broken = True  # stamps its last question again
    log.checkpoint()
    assert witnessing.submit_newest() == 0
    assert receipts.seen("notary").problem.startswith("the timestamp does not hold")
    assert authority.asked == 2
