"""What the appliance exports, the offline verifier accepts; and keys, and several writers at once."""

import os
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from audit import bodies, events, keys, log, prompts, verify
from audit.errors import AuditError, LogUnavailable
from audit.export import export
from audit.models import Body
from tests.append_only import triggers_lifted
from tests.audit_story import PROMPT, whole

pytestmark = pytest.mark.django_db(databases=["default", "log"])
ROOT = Path(verify.__file__).parent.parent
OF_NO_STORY = {"dp values", "free texts", "gates"}
"""What is found about a prompt whose release and run are not in the log."""


def live_story():
    """The clean story, told to the real log; its prompts sent through the real functions."""
    story = whole()
    for action, by, facts in story.entries:
        kept = {"tables": story.bodies["tables"]} if "tables" in facts else {}
        if not action.startswith(("audit:prompt", "audit:export")):
            told = {name: fact for name, fact in facts.items() if name != "tables"}
            events.append(action=action, by=by, subject="request:q1", facts=told, attachments=kept)
        elif action == "audit:prompt:intent":
            answered(facts["sequence"])


def answered(sequence):
    row = prompts.record_intent(run="u1", sequence=sequence, attempt=1, endpoint="e", prompt=PROMPT, by="system")
    token = prompts.start_sending(row.intent_id, lease_seconds=60)
    prompts.finish(row.intent_id, token=token, answer=b"{}", error="", usage={})


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "export"


def check(folder, **options):
    return verify.verify(folder, key=str(keys.public()), **options)


def test_an_export_of_the_real_log_holds(folder, site):
    live_story()
    made = export(folder, by="user:anna", reason="yearly check")
    report = check(folder, checkpoints=[site / "anchors" / "latest.note"])
    assert report.findings == []
    assert (report.size, report.root) == (made.size, log.root().hex()) == (30, made.root)
    assert report.counts["prompts rendered again, byte for byte"] == 2
    assert report.counts["dp values matched to the released table"] == 2
    assert log.entry(made.size - 1).facts == {"reason": "yearly check"}


def test_open_prompts_and_what_waits_in_the_outbox_are_part_of_an_export(folder):
    row = prompts.record_intent(run="u1", sequence=1, attempt=1, endpoint="e", prompt=PROMPT, by="system")
    events.record(action="test:thing:changed", by="user:ada", subject="thing:1", facts={})
    export(folder, by="user:anna", reason="while it runs")
    report = check(folder)
    assert {one["check"] for one in report.findings} <= OF_NO_STORY
    assert report.counts["prompts under way"] == 1
    assert events.pending() == 0
    assert row.state == row.State.INTENT


def test_a_prompt_forgotten_by_a_worker_that_died_is_closed_before_an_export(folder, monkeypatch):
    prompts.record_intent(run="u1", sequence=1, attempt=1, endpoint="e", prompt=PROMPT, by="system")
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(hours=1))
    export(folder, by="user:anna", reason="an hour later")
    assert {one["check"] for one in check(folder).findings} == OF_NO_STORY
    assert log.entry(1).action == "audit:prompt:outcome"


def test_a_body_changed_in_the_database_stops_the_export(folder):
    live_story()
    with triggers_lifted(connections[log.ALIAS]):
        Body.objects.filter(kind="answer").update(cipher=b"x" * 40)
    with pytest.raises(AuditError, match="was changed"):
        export(folder, by="user:anna", reason="check")


def test_a_folder_in_use_is_left_alone(folder):
    folder.mkdir()
    (folder / "mine").write_text("kept")
    with pytest.raises(AuditError, match="must be empty"):
        export(folder, by="user:anna", reason="check")
    with pytest.raises(CommandError, match="must be empty"):
        call_command("export_audit", "--out", str(folder))
    assert log.size() == 0
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_the_command_exports_and_its_export_holds(folder, capsys):
    live_story()
    call_command("export_audit", "--out", str(folder), "--reason", "asked for")
    assert "30 entries" in capsys.readouterr().out
    assert check(folder).verdict == "holds"


# --- keys


def test_keys_are_made_once_and_are_private(site, capsys):
    before = keys.public()
    call_command("make_keys")
    assert capsys.readouterr().out.strip() == str(before) == (site / "keys" / "log.pub").read_text().strip()
    private, public = {keys.SIGNING, keys.BODIES, keys.PACKAGES}, {keys.PUBLIC, keys.PACKAGES_PUBLIC}
    for name in private:
        assert stat.S_IMODE((site / "keys" / name).stat().st_mode) == 0o600
    assert {path.name for path in (site / "keys").iterdir()} == private | public


def test_a_new_body_key_does_not_shut_out_older_bodies(site):
    body, expected = bodies.sealed(b"old", kind="x")
    body.save()
    path = site / "keys" / keys.BODIES
    path.write_text(path.read_text() + "11" * 32 + "\n")
    newer, _ = bodies.sealed(b"new", kind="x")
    assert newer.key_id != body.key_id
    assert bodies.opened(body.pk, expected=expected) == b"old"


@pytest.mark.parametrize("text", ["", "zz", "11" * 31])
def test_a_damaged_body_key_is_refused(site, text):
    (site / "keys" / keys.BODIES).write_text(text)
    with pytest.raises(LogUnavailable, match=r"log-bodies\.key"):
        bodies.sealed(b"x", kind="x")


# --- several processes, one log

WRITER = """
import sys, django
django.setup()
from audit import events, livecheck, log
for number in range(20):
    events.append(action="test:thing:happened", by="user:" + sys.argv[1], subject="t:1", facts={"number": number})
    log.checkpoint()
    log.check_whole()
assert livecheck.check().found == []
"""
MAKE = """
import django
django.setup()
from django.core.management import call_command
for alias in ("default", "log"):
    call_command("migrate", database=alias, verbosity=0, skip_checks=True)
call_command("make_keys", skip_checks=True)
"""
CHECK = """
import django
django.setup()
from audit import livecheck, log
found = livecheck.check()
assert found.found == [], found.found
print(log.size(), sorted({(log.entry(at).by, log.entry(at).facts["number"]) for at in range(log.size())}) ==
      [(f"user:{who}", number) for who in range(3) for number in range(20)])
"""


def test_three_processes_leave_no_gap_and_no_double(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    environment |= {"SITE_DIR": str(tmp_path / "other"), "DJANGO_SETTINGS_MODULE": "llmsynthor_site.settings"}
    (tmp_path / "other").mkdir()

    def start(code, *arguments):
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)

    assert start(MAKE).wait(120) == 0
    writers = [start(WRITER, str(who)) for who in range(3)]
    assert [writer.wait(120) for writer in writers] == [0] * 3
    out, _ = start(CHECK).communicate(timeout=120)
    assert out.strip() == "60 True"
