"""Turning to new keys, interrupted or not; and keys that several custodians hold together."""

from __future__ import annotations

import itertools

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connections

from audit import anchors, bodies, events, key_care, keys, livecheck, log, prompts, rotations, verify
from audit.errors import AuditError, LogUnavailable
from audit.export import export
from audit.models import Body
from audit.notes import Checkpoint, NoteError, PrivateKey
from llmsynthor_site.celery import stop_without_a_whole_log
from tests.append_only import triggers_lifted
from tests.audit_story import KEY, PROMPT, sign_manifest, whole

pytestmark = pytest.mark.django_db(databases=["default", "log"])


def append(number=1):
    return events.append(action="test:thing:happened", by="user:ada", subject="t:1", facts={"number": number})


def verdict(folder, key, **more):
    report = verify.verify(folder, key=str(key), **more)
    return report.verdict, [f"{one['check']}: {one['message']}" for one in report.findings]


# --- the signing key


def test_the_log_goes_on_under_a_new_key_and_every_key_an_auditor_holds_still_opens_it(site, tmp_path):
    append(1)
    log.checkpoint()
    kept = tmp_path / "kept.note"
    kept.write_bytes(anchors.latest_note())
    first = keys.public()
    second = key_care.rotate_signing(by="user:ina")
    append(2)
    third = key_care.rotate_signing(by="user:ina")
    assert keys.publics() == [first, second, third]
    assert (site / "keys" / "log.pub").read_text().strip() == str(third) == str(keys.public())
    assert len({first.name, second.name, third.name}) == 1  # one log, whatever its key
    assert anchors.latest() == log.checkpoint()
    assert livecheck.check().found == []
    export(tmp_path / "export", by="user:anna", reason="check")
    for key in (first, second, third):
        assert verdict(tmp_path / "export", key, checkpoints=[kept]) == ("holds", [])
    assert verify.verify(tmp_path / "export", key=str(first)).counts["hand-overs of the signing key"] == 2
    assert verdict(tmp_path / "export", PrivateKey.make(first.name).public)[0] == "broken"


def test_a_turn_interrupted_at_any_step_is_finished_by_the_next_one(site, monkeypatch, tmp_path):
    append(1)
    first = keys.public()
    steps = [(key_care, "keep_statement"), (key_care.events, "append"), (key_care.log, "checkpoint")]
    for module, name in steps:
        with monkeypatch.context() as broken:
            broken.setattr(module, name, lambda *_, **__: (_ for _ in ()).throw(OSError("power gone")))
            with pytest.raises(OSError, match="power gone"):
                key_care.rotate_signing(by="user:ina")
        log.check_whole()
        append(2)
        log.checkpoint()
    assert len(keys.publics()) == 2  # the first two tries ended in the third, which lacked its checkpoint alone
    assert keys.publics()[0] == first
    assert not key_care.half_done()
    export(tmp_path / "export", by="user:anna", reason="check")
    assert verdict(tmp_path / "export", first) == ("holds", [])


def test_nothing_is_exported_half_way_through_a_turn(monkeypatch, tmp_path, capsys):
    append(1)
    with monkeypatch.context() as broken:
        broken.setattr(key_care, "keep_statement", lambda *_: (_ for _ in ()).throw(OSError("power gone")))
        with pytest.raises(CommandError, match="power gone"):
            call_command("rotate_log_key")
    with pytest.raises(AuditError, match="half done: finish it with rotate_log_key"):
        export(tmp_path / "export", by="user:anna", reason="check")
    call_command("list_keys")
    assert "half done" in capsys.readouterr().out
    call_command("rotate_log_key")
    assert capsys.readouterr().out.strip() == str(keys.public())
    export(tmp_path / "export", by="user:anna", reason="check")


def handed_over(*, told=True, by=None):
    """The clean story with a hand-over: its entries, the second key, and the statement (of ``by``, if given)."""
    story, second = whole(), PrivateKey.make(KEY.name)
    if told:
        facts = {"old_key": str(KEY.public), "new_key": str(second.public)}
        story.entries.insert(-1, ("audit:key:rotated", "user:ina", facts))
    return story, second, rotations.signed(by or KEY, second)


def written(folder, story, statement, signer):
    """The whole export by the first key; then the statement, and a manifest over all of it by ``signer``."""
    story.write(folder)
    (folder / "keys").mkdir()
    (folder / "keys" / "0001.note").write_bytes(statement)
    newest = max((folder / "checkpoints").iterdir()).read_bytes()
    (folder / "manifest.note").unlink()
    sign_manifest(folder, Checkpoint.opened(newest, KEY.public), signer)
    return folder


def test_an_insider_cannot_hide_a_hand_over_or_sign_with_the_key_before_it(tmp_path):
    story, second, statement = handed_over()
    assert verdict(written(tmp_path / "good", story, statement, second), KEY.public) == ("holds", [])
    old = written(tmp_path / "old", story, statement, KEY)
    assert verdict(old, KEY.public)[1] == ["keys: is signed by a key that was replaced before"]
    hidden = story.write(tmp_path / "hidden")
    assert verdict(hidden, KEY.public)[1] == ["keys: the log and the signed statements name different keys"]
    untold, second, statement = handed_over(told=False)
    folder = written(tmp_path / "untold", untold, statement, second)
    assert verdict(folder, KEY.public)[1] == ["keys: the log and the signed statements name different keys"]


def test_a_stranger_who_begins_a_chain_of_their_own_is_not_believed(tmp_path):
    thief = PrivateKey.make(KEY.name)
    story, second, statement = handed_over(by=thief)
    folder = written(tmp_path / "export", story, statement, second)
    assert "keys: the key that was given is none of those the statements name" in verdict(folder, KEY.public)[1]
    (folder / "keys" / "0001.note").write_bytes(statement[:-9] + b"\n")
    with pytest.raises(verify.Unusable, match="hand-overs"):
        verify.verify(folder, key=str(KEY.public))


# --- the keys of bodies


def test_bodies_are_sealed_with_the_newest_key_and_older_ones_again_when_asked(capsys):
    row = prompts.record_intent(run="u1", sequence=1, attempt=1, endpoint="e", prompt=PROMPT, by="system")
    sent = prompts.load_body(row)
    (old,) = keys.body_keys()
    call_command("rotate_body_key", "--by", "user:ina")
    new = list(keys.body_keys())[-1]
    assert set(Body.objects.values_list("key_id", flat=True)) == {old}
    assert prompts.load_body(row) == sent
    call_command("rotate_body_key", "--reseal", "--by", "user:ina")
    newest = list(keys.body_keys())[-1]
    assert "2 bodies sealed again" in capsys.readouterr().out
    assert set(Body.objects.values_list("key_id", flat=True)) == {newest}
    assert prompts.load_body(row) == sent
    assert key_care.reseal(by="user:ina") == 0
    told = [log.entry(index) for index in range(1, log.size())]
    assert [leaf.action.split(":")[2] for leaf in told] == ["body_rotated", "body_rotated", "resealed"]
    assert told[0].facts == {"old_key": old, "new_key": new}


def test_a_body_that_was_erased_stays_erased_and_a_damaged_one_stops_the_resealing(site):
    kept, _ = bodies.sealed(b"kept", kind="x")
    gone, _ = bodies.sealed(b"gone", kind="x")
    Body.objects.bulk_create([kept, gone])
    with triggers_lifted(connections["log"]):
        Body.objects.filter(pk=gone.pk).update(erased=True, cipher=b"", salt=b"", nonce=b"")
    key_care.rotate_bodies(by="user:ina")
    assert key_care.reseal(by="user:ina") == 1
    assert bytes(Body.objects.get(pk=gone.pk).cipher) == b""
    key_care.rotate_bodies(by="user:ina")
    with triggers_lifted(connections["log"]):
        Body.objects.filter(pk=kept.pk).update(cipher=b"x" * 40)
    with pytest.raises(AuditError, match="was changed"):
        key_care.reseal(by="user:ina")


def test_the_list_names_every_key_and_shows_none(site, capsys):
    append(1)
    row = prompts.record_intent(run="u1", sequence=1, attempt=1, endpoint="e", prompt=PROMPT, by="system")
    assert row.intent_index == 1
    key_care.rotate_signing(by="user:ina")
    key_care.rotate_bodies(by="user:ina")
    call_command("list_keys")
    said = capsys.readouterr().out
    lines = [line.split("  ") for line in said.splitlines()]
    assert [line[0].strip() for line in lines] == ["signing", "signing", "bodies", "bodies"]
    assert [line[-1] for line in lines] == ["retired", "in force", "2 bodies", "in force, 0 bodies"]
    secrets = [(site / "keys" / name).read_text().split() for name in (keys.SIGNING, keys.BODIES)]
    assert not any(secret in said for secret in itertools.chain(*secrets))


# --- who may read them


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_others_may_read_stops_the_log_and_every_start(site, settings, mode):
    append(1)
    for name in (keys.SIGNING, keys.BODIES):
        path = site / "keys" / name
        path.chmod(mode)
        assert [found.obj for found in run_checks() if found.id == "llmsynthor_site.E002"] == [str(path)]
        path.chmod(0o600)
    assert run_checks() == []
    settings.PROVIDER_KEYS_FILE = site / "elsewhere.json"
    settings.PROVIDER_KEYS_FILE.write_text("{}")
    settings.PROVIDER_KEYS_FILE.chmod(mode)
    assert [found.obj for found in run_checks()] == [str(settings.PROVIDER_KEYS_FILE)]
    (site / "keys" / keys.SIGNING).chmod(mode)
    with pytest.raises(LogUnavailable, match=r"log-signing\.key may be read by others"):
        log.checkpoint()
    with pytest.raises(SystemExit, match=r"others may read .*log-signing\.key"):
        stop_without_a_whole_log()
    (site / "keys" / keys.SIGNING).chmod(0o600)
    stop_without_a_whole_log()
    (site / "keys" / "vault.key").touch(mode)
    (site / "keys" / "vault.key").chmod(mode)
    with pytest.raises(SystemExit, match=r"vault\.key"):
        stop_without_a_whole_log()


def test_a_key_is_never_turned_where_the_log_is_not_whole(site):
    append(1)
    log.checkpoint()
    before = keys.public()
    (site / "anchors" / "latest.note").unlink()
    for turn in (key_care.rotate_signing, key_care.rotate_bodies):
        with pytest.raises(LogUnavailable, match="the anchor is gone"):
            turn(by="user:ina")
    assert (keys.public(), len(keys.body_keys()), key_care.half_done()) == (before, 1, False)


def test_a_note_by_no_key_of_the_chain_is_no_checkpoint():
    append(1)
    log.checkpoint()
    forged = Checkpoint(keys.public().name, 1, bytes(32)).signed(PrivateKey.make(keys.public().name))
    with pytest.raises(NoteError):
        keys.opened(forged)
