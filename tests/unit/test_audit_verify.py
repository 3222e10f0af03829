"""The offline verifier: silent about clean exports, and loud about every byte, file and checkpoint that is not."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from audit import notes, verify
from audit.merkle import leaf_hash, root
from tests.audit_story import KEY, PUB, ballot, erase, findings, passed, sign_manifest, vote, whole

ROOM = Path(verify.__file__).parent


@pytest.fixture
def clean(tmp_path):
    return whole().write(tmp_path / "export")


def test_a_clean_export_holds_and_everything_in_it_is_counted(clean):
    report = verify.verify(clean, key=PUB)
    assert report.findings == []
    assert report.verdict == "holds"
    expected = {
        "entries": 30, "checkpoints": 4, "checkpoints from outside": 0, "files": 6, "bodies": 7, "prompts": 2,
        "votes": 5, "downloads": 1,
        "prompts rendered again, byte for byte": 2, "dp values matched to the released table": 2,
        "segments SYNTHETIC, recorded, not recomputed": 2,
        "terms accepted": 1, "ledger commits": 2, "measurements": 2, "gates passed": 3, "populations": 1,
    }  # fmt: skip
    assert expected.items() <= report.counts.items()


# --- without the key: every byte is vouched for


def test_no_flipped_byte_of_any_file_goes_unseen(clean):
    rng = random.Random(11)
    files = sorted(path for path in clean.rglob("*") if path.is_file())
    for path in files * 40:
        data = path.read_bytes()
        at = rng.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :])
        assert findings(clean), f"{path.name} byte {at}"
        path.write_bytes(data)
    assert findings(clean) == []


@pytest.mark.parametrize(
    "name", ["entries.jsonl", "bodies.jsonl", "manifest.note", "log.pub", "checkpoints/000000000017.note"]
)
def test_a_missing_file_fails(clean, name):
    (clean / name).unlink()
    assert findings(clean)


def test_an_extra_file_a_link_and_an_extra_checkpoint_fail(clean):
    (clean / "extra").write_text("")
    assert findings(clean) == ["files: extra: not listed in the manifest"]
    (clean / "extra").unlink()
    (clean / "log.pub").rename(clean.parent / "log.pub")
    (clean / "log.pub").symlink_to(clean.parent / "log.pub")
    assert any("a link" in one for one in findings(clean))


def test_another_key_does_not_open_it(clean):
    other = notes.PrivateKey.make(KEY.name)
    report = verify.verify(clean, key=str(other.public))
    assert {one["check"] for one in report.findings} >= {"manifest", "checkpoints"}


def test_a_log_rewritten_with_another_key_fails(tmp_path):
    folder = whole().write(tmp_path / "export", key=notes.PrivateKey.make(KEY.name))
    assert any(one.startswith("manifest") for one in findings(folder))


def test_a_history_rewritten_after_a_checkpoint_fails(tmp_path):
    """The insider rewrites an early entry and signs anew, but an old checkpoint is still around."""
    story = whole()
    kept = tmp_path / "kept.note"
    folder = story.write(tmp_path / "first")
    shutil.copy(folder / "checkpoints" / "000000000020.note", kept)
    story.facts("privacy:ledger:cap_set").update(rho="5")
    rewritten = story.write(tmp_path / "second")
    assert findings(rewritten) == []
    assert findings(rewritten, checkpoints=[kept]) == [
        "roots: checkpoint from outside at 20: the entries do not have this root",
        "roots: entry 20: something before entry 20 was changed",
    ]


@pytest.mark.parametrize(("at", "told"), [
    (2, "something before entry 17 was changed"),
    (18, "something before entry 20 was changed; up to entry 16 all is as it was signed"),
    (22, "something before entry 30 was changed; up to entry 19 all is as it was signed"),
])  # fmt: skip
def test_a_changed_entry_is_placed_between_the_signed_sizes(clean, at, told):
    """Changed by somebody without the key, who leaves a well-formed entry behind."""
    path = clean / "entries.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[at] = lines[at].replace(b'"log:test"', b'"log:tess"')
    path.write_bytes(b"\n".join(lines))
    named = [one.partition(": ")[2].partition(": ")[2] for one in findings(clean) if "something before" in one]
    assert named == [told]


def test_a_log_cut_short_fails_against_a_checkpoint_kept_outside(tmp_path):
    story = whole()
    kept = tmp_path / "kept.note"
    shutil.copy(story.write(tmp_path / "first") / "checkpoints" / "000000000030.note", kept)
    del story.entries[-2:]
    shorter = story.write(tmp_path / "second")
    assert findings(shorter) == []
    assert any("signs more than the 28 entries" in one for one in findings(shorter, checkpoints=[kept]))


def test_a_manifest_that_signs_another_size_fails(tmp_path):
    story = whole()
    folder = story.write(tmp_path / "export")
    hashes = [leaf_hash(line) for line in story.lines()]
    sign_manifest(folder, notes.Checkpoint(KEY.name, 29, root(hashes[:29])), KEY)
    assert any("the manifest signs 29 entries, 30 are here" in one for one in findings(folder))


def test_bodies_erased_by_two_people_are_reported_and_do_not_fail(tmp_path):
    story = whole()
    erase(story, "i1-prompt", "i1-map")
    report = verify.verify(story.write(tmp_path / "export"), key=PUB)
    assert report.findings == []
    assert report.counts["prompts erased, not replayable"] == 1
    assert report.counts["prompts rendered again, byte for byte"] == 1
    assert report.counts["erasures by two people"] == 2
    assert "prompts after an erased answer, not replayable" not in report.counts


def test_prompts_after_an_erased_answer_are_counted_as_depending_on_it(tmp_path):
    story = whole()
    erase(story, "i1-answer")
    report = verify.verify(story.write(tmp_path / "export"), key=PUB)
    assert report.findings == []
    assert report.counts["prompts after an erased answer, not replayable"] == 1
    answered, erased = story.find("audit:prompt:outcome"), story.find("audit:body:erased")
    later = story.find("audit:prompt:intent", 1)
    named = [
        f"the answer of entry {answered}, by entry {erased}",
        f"the prompt of entry {later}: it came after an answer that is gone",
    ]
    assert report.erased == named
    assert all(line in verify.as_text(report) for line in ["Erased, not replayable:", *named])


def test_a_prompt_on_its_way_is_counted_and_does_not_fail(tmp_path):
    story = whole()
    del story.entries[story.find("audit:prompt:outcome", 1)]
    del story.bodies["i2-answer"]
    story.facts("audit:prompt:sending", 1).update(deadline="2031-01-01T00:00:00Z")
    report = verify.verify(story.write(tmp_path / "export"), key=PUB)
    assert (report.verdict, report.counts["prompts under way"]) == ("holds", 1)


def test_a_local_egress_gate_needs_one_vote_and_a_rejection_closes_it(tmp_path):
    story = whole()
    story.entries.insert(story.find("synthesis:votes:revealed", 1), vote("egress", "user:tom", "hm", "reject"))
    story.facts("synthesis:votes:revealed", 1)["votes"].append(ballot("user:tom", "reject"))
    assert any("gate 'egress'" in one for one in findings(story.write(tmp_path / "export")))
    story = whole()
    story.facts("synthesis:request:synthesising")["local"] = False
    assert any("gate 'egress'" in one for one in findings(story.write(tmp_path / "remote")))
    story = whole()
    story.entries.append(passed("rejected", "egress", "unseen"))
    assert findings(story.write(tmp_path / "rejected")) == []


# --- the command


def run(*arguments, room):
    command = [sys.executable, "-I", "-c", BLOCKED, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=room, check=False)


BLOCKED = """
import sys, runpy
for name in ("django", "numpy", "rest_framework"):
    sys.modules[name] = None
sys.path.insert(0, ".")
runpy.run_module("audit.verify", run_name="__main__", alter_sys=True)
"""


PURE = """__init__ verify verify_log verify_prices verify_prompts verify_ledger verify_decisions verify_keys
          verify_tiles verify_witnesses verify_downloads verify_erasures verify_gates verify_free_texts
          verify_structures verify_waivers verify_checks archive findings facts errors leaves notes cosignatures
          rotations timestamps tiles merkle canonical commitments rendering segments telling"""


def test_the_command_runs_on_its_pure_files_alone_and_exits_0_1_2(clean, tmp_path):
    room = tmp_path / "elsewhere" / "audit"
    room.mkdir(parents=True)
    for name in PURE.split():
        shutil.copy(ROOM / f"{name}.py", room)
    good = run(clean, "--key", PUB, room=room.parent)
    assert (good.returncode, good.stderr) == (0, "")
    assert "HOLDS" in good.stdout
    assert "Not covered:" in good.stdout
    inside = run(clean, "--key", clean / "log.pub", "--json", room=room.parent)
    assert json.loads(inside.stdout)["key_from"] == "inside the export"
    (clean / "log.pub").write_text("changed")
    bad = run(clean, "--key", PUB, "--json", room=room.parent)
    assert (bad.returncode, json.loads(bad.stdout)["verdict"]) == (1, "broken")
    assert run(tmp_path / "nowhere", "--key", PUB, room=room.parent).returncode == 2


def test_what_cannot_be_checked_is_unusable(clean, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.note").write_text("not a note")
    assert verify.main([str(tmp_path / "empty"), "--key", PUB]) == 2
    assert verify.main([str(clean), "--key", "not a key"]) == 2
    assert verify.main([str(clean), "--key", PUB, "--checkpoint", str(tmp_path / "bad.note")]) == 2
    assert verify.main([str(clean), "--key", PUB, "--checkpoint", str(tmp_path / "gone.note"), "--json"]) == 2
    told = capsys.readouterr().out
    assert told.count("UNUSABLE") == 3
    assert "there is no file of this name" in told


def test_a_checkpoint_that_the_given_key_did_not_sign_breaks_the_verdict(clean, tmp_path, capsys):
    other = notes.PrivateKey.make(KEY.name)
    kept, forged = tmp_path / "kept.note", tmp_path / "forged.note"
    shutil.copy(clean / "checkpoints" / f"{17:012d}.note", kept)
    forged.write_bytes(notes.Checkpoint(KEY.name, 15, bytes(32)).signed(other))
    assert verify.main([str(clean), "--key", PUB, "--checkpoint", str(kept), str(forged)]) == 1
    told = capsys.readouterr().out
    assert "BROKEN" in told
    assert "checkpoint from outside, forged.note: not signed by the given key" in told
    assert verify.verify(clean, key=PUB, checkpoints=[kept, forged]).counts["checkpoints from outside"] == 1


def test_a_signed_note_that_is_no_checkpoint_is_unusable(clean, capsys):
    assert verify.main([str(clean), "--key", PUB, "--checkpoint", str(clean / "manifest.note")]) == 2
    assert "checkpoint manifest.note cannot be used: a checkpoint is three lines" in capsys.readouterr().out


@pytest.mark.parametrize("json_wanted", [[], ["--json"]])
def test_a_reader_who_leaves_early_is_no_error(clean, json_wanted):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "audit.verify", str(clean), "--key", PUB, *json_wanted]
    with os.fdopen(writing, "wb") as gone:
        ended = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, cwd=ROOM.parent, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_one_cause_with_many_effects_is_told_a_few_times_and_counted(tmp_path, capsys):
    story = whole()
    story.checkpoints = list(range(17, 23))
    clean = story.write(tmp_path / "export")
    data = (clean / "entries.jsonl").read_bytes()
    (clean / "entries.jsonl").write_bytes(data.partition(b"\n")[2])  # the first is gone, so each has another number
    assert verify.main([str(clean), "--key", PUB, "--json"]) == 1
    every = json.loads(capsys.readouterr().out)["findings"]
    roots = [one for one in every if one["message"] == "the entries do not have this root"]
    assert verify.main([str(clean), "--key", PUB]) == 1
    shown = capsys.readouterr().out
    assert len(roots) > verify.ALIKE
    assert shown.count("the entries do not have this root") == verify.ALIKE + 1
    assert f"[roots] at {len(roots) - verify.ALIKE} more places" in shown


def test_a_checkpoint_from_outside_is_counted_and_compared(clean, tmp_path):
    kept = tmp_path / "kept.note"
    shutil.copy(clean / "checkpoints" / f"{17:012d}.note", kept)
    report = verify.verify(clean, key=PUB, checkpoints=[kept])
    assert (report.verdict, report.counts["checkpoints from outside"]) == ("holds", 1)


def test_a_missing_manifest_is_said_to_be_missing(clean):
    (clean / "manifest.note").unlink()
    assert "manifest: manifest.note: missing, or cannot be read" in findings(clean)
