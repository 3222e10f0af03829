"""A prompt's way out: recorded, anchored, claimed once, closed once; and what stops it."""

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from audit import anchors, bodies, log, prompts, rendering, selectors
from audit.errors import AlreadySending, AuditError, BodyBroken, BodyErased, LogUnavailable, PromptExists, StaleToken
from audit.models import Body, PromptRecord
from audit.segments import Message, Template, UnfitSegment
from tests.append_only import triggers_lifted
from tests.audit_story import PROMPT

pytestmark = pytest.mark.django_db(databases=["default", "log"])
State = PromptRecord.State


def record(sequence=1, attempt=1, prompt=PROMPT):
    return prompts.record_intent(
        run="u1", sequence=sequence, attempt=attempt, endpoint="embedded", prompt=prompt, by="system"
    )


def send(row, seconds=60):
    return prompts.start_sending(row.intent_id, lease_seconds=seconds)


def finish(row, token, answer=b'{"choices":[]}', error="", usage=None):
    return prompts.finish(row.intent_id, token=token, answer=answer, error=error, usage=usage or {})


def story():
    return [log.entry(index).action.split(":")[2] for index in range(log.size())]


@pytest.fixture
def later(monkeypatch):
    """Let time pass."""
    now = timezone.now()
    return lambda **passed: monkeypatch.setattr(timezone, "now", lambda: now + timedelta(**passed))


def test_the_whole_way_of_a_prompt():
    row = record()
    assert (row.state, story()) == (State.INTENT, ["intent"])
    assert prompts.load_body(row) == rendering.render(PROMPT)
    assert prompts.load_prompt(row) == PROMPT
    token = send(row)
    assert anchors.latest().size == 1
    done = finish(row, token, usage={"prompt_tokens": 9, "seconds": 0.5})
    assert (done.state, done.usage) == (State.ANSWERED, {"prompt_tokens": 9})
    assert prompts.answer(row.intent_id) == b'{"choices":[]}'
    assert story() == ["intent", "sending", "outcome"]
    assert not prompts.open_prompts().exists()


def test_the_log_holds_neither_prompt_nor_answer_and_the_table_holds_them_encrypted():
    row = record()
    finish(row, send(row), answer=b"the answer")
    stored = b"".join(log.entry(index).to_bytes() for index in range(log.size()))
    stored += b"".join(bytes(body.cipher) for body in Body.objects.all())
    for secret in (b"Propose groups", b"seasons", b"the answer"):
        assert secret not in stored


def test_a_prompt_is_sent_once():
    row = record()
    token = send(row)
    with pytest.raises(AlreadySending):
        send(row)
    finish(row, token)
    with pytest.raises(AlreadySending):
        send(row)
    with pytest.raises(StaleToken):
        finish(row, token)
    assert story().count("sending") == story().count("outcome") == 1


def test_an_attempt_is_recorded_once_and_a_retry_is_an_attempt_of_its_own():
    record()
    with pytest.raises(PromptExists):
        record()
    assert record(attempt=2).state == State.INTENT
    assert story() == ["intent", "intent"]


def test_an_unfit_prompt_is_never_recorded():
    with pytest.raises(UnfitSegment):
        record(prompt=Message("user", (Template("t", "x"),)))
    assert (log.size(), PromptRecord.objects.count(), Body.objects.count()) == (0, 0, 0)


def test_only_the_holder_of_the_token_closes_a_prompt():
    row = record()
    send(row)
    with pytest.raises(StaleToken):
        finish(row, "guessed")
    with pytest.raises(AuditError):
        prompts.finish("unknown", token="", answer=None, error="", usage={})
    assert story() == ["intent", "sending"]


def test_a_failed_call_is_closed_with_its_error():
    row = record()
    assert finish(row, send(row), answer=None, error="x" * 500).state == State.FAILED
    assert log.entry(2).facts["error"] == "x" * 200
    with pytest.raises(BodyBroken, match="no answer"):
        prompts.answer(row.intent_id)


def test_an_expired_lease_leaves_the_prompt_in_doubt_for_good(later):
    row = record()
    token = send(row, seconds=30)
    assert prompts.sweep() == []
    later(seconds=31)
    assert [swept.state for swept in prompts.sweep()] == [State.IN_DOUBT]
    assert prompts.sweep() == []
    with pytest.raises(StaleToken):
        finish(row, token)
    assert story() == ["intent", "sending", "in_doubt"]


def test_an_intent_nobody_sends_lapses_and_can_then_not_be_sent(later):
    row = record()
    later(minutes=11)
    with pytest.raises(AlreadySending):
        send(row)
    assert [swept.state for swept in prompts.sweep()] == [State.LAPSED]
    assert log.entry(1).facts["sent"] is False


def test_a_withdrawn_intent_is_closed_unsent():
    row = record()
    assert prompts.withdraw(row.intent_id, reason="switched off").state == State.LAPSED
    assert log.entry(1).facts["error"] == "switched off"
    with pytest.raises(AlreadySending):
        send(row)
    with pytest.raises(AlreadySending):
        prompts.withdraw(row.intent_id, reason="again")


# --- when the log is not there


def unavailable(*_args, **_kwargs):
    raise LogUnavailable("planted")


def test_no_record_no_call(monkeypatch):
    monkeypatch.setattr(log, "append", unavailable)
    with pytest.raises(LogUnavailable):
        record()
    stuck = PromptRecord.objects.get()
    assert stuck.state == State.PREPARED
    with pytest.raises(AlreadySending):
        send(stuck)
    monkeypatch.undo()
    assert record().state == State.INTENT
    assert PromptRecord.objects.count() == 1


def test_no_checkpoint_no_call(monkeypatch):
    row = record()
    monkeypatch.setattr(log, "anchor", unavailable)
    with pytest.raises(LogUnavailable):
        send(row)
    assert story() == ["intent"]
    monkeypatch.undo()
    assert send(row)


def test_no_sending_entry_no_call(monkeypatch):
    row = record()
    monkeypatch.setattr(log, "append", unavailable)
    with pytest.raises(LogUnavailable):
        send(row)
    row.refresh_from_db()
    assert (row.state, row.token) == (State.INTENT, "")


def test_a_sending_entry_whose_writer_died_is_never_sent_again(monkeypatch, later):
    row, real = record(), log.append

    def append_and_fail(**event):
        real(**event)
        raise LogUnavailable("the answer was lost on the way")

    monkeypatch.setattr(log, "append", append_and_fail)
    with pytest.raises(LogUnavailable):
        send(row)
    monkeypatch.setattr(log, "append", real)
    with pytest.raises(AlreadySending):
        send(row)
    later(seconds=61)
    assert [swept.state for swept in prompts.sweep()] == [State.IN_DOUBT]


def test_a_row_left_behind_by_a_crash_follows_the_log(monkeypatch, later):
    row = record()
    token = send(row)
    finish(row, token, usage={"prompt_tokens": 4})
    PromptRecord.objects.filter(pk=row.pk).update(state=State.SENDING, answer_id="", closed_index=None)
    later(seconds=61)
    assert [(swept.state, swept.usage) for swept in prompts.sweep()] == [(State.ANSWERED, {"prompt_tokens": 4})]
    assert prompts.answer(row.intent_id) == b'{"choices":[]}'
    assert story() == ["intent", "sending", "outcome"]


def test_a_row_without_an_entry_is_cleared_away(monkeypatch, later):
    monkeypatch.setattr(log, "append", unavailable)
    with pytest.raises(LogUnavailable):
        record()
    monkeypatch.undo()
    later(minutes=11)
    assert prompts.sweep() == []
    assert (PromptRecord.objects.count(), log.size()) == (0, 0)


@pytest.mark.django_db(databases=["default", "log"], transaction=True)
def test_recording_inside_a_transaction_is_refused():
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        record()
    assert (log.size(), PromptRecord.objects.count()) == (0, 0)


@pytest.mark.django_db(databases=["default", "log"], transaction=True)
def test_of_eight_doors_at_once_one_sends():
    row, outcomes, gate = record(), [], threading.Barrier(8)

    def try_to_send():
        gate.wait()
        try:
            outcomes.append(bool(send(row)))
        except AlreadySending:
            outcomes.append(False)
        finally:
            connections.close_all()

    doors = [threading.Thread(target=try_to_send) for _ in range(8)]
    for door in doors:
        door.start()
    for door in doors:
        door.join()
    assert sorted(outcomes) == [False] * 7 + [True]
    assert story() == ["intent", "sending"]


# --- bodies


def overwrite(body, **values):
    """As only the owner of the database can: its triggers stop everybody else."""
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(using=log.ALIAS):
        Body.objects.filter(pk=body.pk).update(**values)
    with triggers_lifted(connections[log.ALIAS]):
        Body.objects.filter(pk=body.pk).update(**values)


def test_a_changed_swapped_or_missing_body_is_never_sent():
    row, other = record(), record(sequence=2)
    body, stranger = Body.objects.get(pk=row.body_id), Body.objects.get(pk=other.body_id)
    overwrite(body, cipher=bytes(body.cipher)[:-1] + b"x")
    with pytest.raises(BodyBroken, match="was changed"):
        prompts.load_body(row)
    overwrite(body, cipher=bytes(stranger.cipher), nonce=bytes(stranger.nonce), salt=bytes(stranger.salt))
    with pytest.raises(BodyBroken, match="was changed"):
        prompts.load_body(row)
    forged, _ = bodies.sealed(b"forged", kind="prompt")
    forged.save()
    PromptRecord.objects.filter(pk=row.pk).update(body_id=forged.pk)
    row.refresh_from_db()
    with pytest.raises(BodyBroken, match="does not match"):
        prompts.load_body(row)
    with triggers_lifted(connections[log.ALIAS]):
        Body.objects.filter(pk=forged.pk).delete()
    with pytest.raises(BodyBroken, match="missing"):
        prompts.load_body(row)


def test_an_erased_body_says_so_and_the_view_says_why():
    row = record()
    overwrite(Body.objects.get(pk=row.map_id), erased=True, cipher=b"", salt=b"")
    with pytest.raises(BodyErased):
        prompts.load_prompt(row)
    assert "erased" in selectors.prompt_view(row).notice
