"""A witness over real HTTP, killed where it hurts: whatever happens, it never signs two histories of one size."""

from __future__ import annotations

import http.client
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from audit.cosignatures import WitnessKey, newest
from audit.merkle import consistency_proof, leaf_hash, root
from audit.notes import Checkpoint, PrivateKey, Signatures
from audit.witness_book import Request
from tests import witness_process

KEY = PrivateKey.make("llmsynthor/log-test")
HONEST = [leaf_hash(b"entry %d" % number) for number in range(40)]
FORGED = [leaf_hash(b"another %d" % number) for number in range(40)]


def checkpoint(hashes, size, key=KEY):
    return Checkpoint(key.name, size, root(hashes[:size]))


def request(hashes, old, size, *, key=KEY, proof=None):
    made = consistency_proof(hashes[:size], old) if old and proof is None else proof or []
    return Request(old, made, checkpoint(hashes, size, key).signed(key)).to_bytes()


@pytest.fixture
def witness(tmp_path):
    running = witness_process.started(tmp_path / "witness", KEY.public)
    yield running
    running.kill()


def cosigned(running, hashes, size, line):
    key = WitnessKey.parse(running.public)
    return newest(checkpoint(hashes, size).text(), Signatures.parse(line), key)


def test_a_growing_log_is_cosigned_with_the_time(witness, tmp_path):
    for old, size in [(0, 1), (1, 7), (7, 8), (8, 8), (8, 33)]:
        status, kind, line = witness.post(request(HONEST, old, size))
        assert (status, kind) == (200, "text/plain; charset=utf-8")
        assert abs(cosigned(witness, HONEST, size, line) - time.time()) < 60
    assert (tmp_path / "witness" / "witness.pub").read_text().strip() == witness.public


def test_the_command_of_the_site_is_the_same_witness_and_makes_no_database(tmp_path):
    command = (str(witness_process.ROOT / "manage.py"), "run_witness")
    environment = {
        "SITE_DIR": str(tmp_path / "none"),
        "SECRET_KEY": "x",
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/x",
    }
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        running = witness_process.started(tmp_path / "w", KEY.public, command=command)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    try:
        assert running.post(request(HONEST, 0, 3))[0] == 200
    finally:
        running.kill()
    assert not list((tmp_path / "none").rglob("*.sqlite3"))
    assert not (tmp_path / "none" / "keys").exists()


def test_two_histories_of_one_size_are_refused_also_after_a_restart(witness, tmp_path):
    assert witness.post(request(HONEST, 0, 5))[0] == 200
    again = request(FORGED, 5, 5, proof=[])
    assert witness.post(again) == (409, "text/x.tlog.size", "5\n")
    witness.kill()
    restarted = witness_process.started(tmp_path / "witness", KEY.public)
    try:
        assert restarted.public == witness.public
        assert restarted.post(again) == (409, "text/x.tlog.size", "5\n")
        assert restarted.post(request(FORGED, 0, 5)) == (409, "text/x.tlog.size", "5\n")
        assert restarted.post(request(HONEST, 5, 5))[0] == 200
    finally:
        restarted.kill()


def test_a_forged_or_missing_proof_is_unprocessable(witness):
    assert witness.post(request(HONEST, 0, 5))[0] == 200
    good = consistency_proof(HONEST[:9], 5)
    bad = [good[:-1], [*good, good[0]], [good[0], *good[2:], good[1]], [bytes(32), *good[1:]], []]
    for proof in bad:
        body = Request(5, proof, checkpoint(HONEST, 9).signed(KEY)).to_bytes()
        assert witness.post(body)[0] == 422
    assert witness.post(request(FORGED, 5, 9))[0] == 422
    assert witness.post(request(HONEST, 5, 5, proof=[bytes(32)]))[0] == 422
    assert witness.post(request(HONEST, 5, 9))[0] == 200


def test_going_back_is_refused(witness):
    assert witness.post(request(HONEST, 0, 9))[0] == 200
    assert witness.post(request(HONEST, 0, 5)) == (409, "text/x.tlog.size", "9\n")
    assert witness.post(request(HONEST, 5, 7)) == (409, "text/x.tlog.size", "9\n")
    assert witness.post(Request(9, [], checkpoint(HONEST, 5).signed(KEY)).to_bytes())[0] == 400
    assert witness.post(request(HONEST, 9, 10))[0] == 200


def test_strangers_are_told_apart(witness):
    stranger, thief = PrivateKey.make("another/log"), PrivateKey.make(KEY.name)
    assert witness.post(request(HONEST, 0, 5, key=stranger))[0] == 404
    assert witness.post(request(HONEST, 0, 5, key=thief))[0] == 403
    assert witness.post(request(HONEST, 0, 5), path="/elsewhere")[0] == 404
    both = checkpoint(HONEST, 5).signed(thief) + checkpoint(HONEST, 5).signed(KEY).split(b"\n\n")[1]
    assert witness.post(Request(0, [], both).to_bytes())[0] == 200


NOTE = checkpoint(HONEST, 5).signed(KEY)
MALFORMED = {
    "empty": b"",
    "no old line": b"\n\n" + NOTE,
    "leading zero": b"old 00\n\n" + NOTE,
    "negative": b"old -1\n\n" + NOTE,
    "other digits": "old \u0661\n\n".encode() + NOTE,
    "a short hash": b"old 0\nAAAA\n\n" + NOTE,
    "malleable base64": b"old 0\n" + b"A" * 42 + b"B=\n\n" + NOTE,
    "64 hashes": b"old 0\n" + b"A" * 43 + b"=\n" + (b"A" * 43 + b"=\n") * 63 + b"\n" + NOTE,
    "no checkpoint": b"old 0\n\n",
    "no end": b"old 0\n\n" + NOTE[:-1],
    "not UTF-8": b"old 0\n\n\xff" + NOTE,
    "larger than allowed": b"old 0\n\n" + NOTE + b"x" * 70_000,
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_requests_are_refused_and_nothing_is_remembered(witness, what):
    assert witness.post(MALFORMED[what])[0] in (400, 404)
    assert witness.post(request(HONEST, 0, 5))[0] == 200


def test_a_rotated_log_key_is_believed_once_the_witness_holds_it(tmp_path):
    newer = PrivateKey.make(KEY.name)
    running = witness_process.started(tmp_path / "witness", KEY.public, newer.public)
    try:
        assert running.post(request(HONEST, 0, 5))[0] == 200
        assert running.post(request(HONEST, 5, 9, key=newer))[0] == 200
    finally:
        running.kill()


def test_one_folder_has_one_witness_with_its_own_name_and_a_private_key(witness, tmp_path):
    with pytest.raises(RuntimeError, match="another process is the witness"):
        witness_process.started(tmp_path / "witness", KEY.public)
    witness.kill()
    key = tmp_path / "witness" / "witness.key"
    key.chmod(0o640)
    with pytest.raises(RuntimeError, match="may be read by others"):
        witness_process.started(tmp_path / "witness", KEY.public)
    key.chmod(0o600)
    key.write_text(PrivateKey.make("someone.else").secret_text())
    with pytest.raises(RuntimeError, match=r"that of someone\.else"):
        witness_process.started(tmp_path / "witness", KEY.public)


def test_a_damaged_book_signs_nothing(witness, tmp_path):
    assert witness.post(request(HONEST, 0, 5))[0] == 200
    (book,) = (tmp_path / "witness").glob("*.note")
    book.write_bytes(b"damaged")
    assert witness.post(request(FORGED, 0, 5))[0] == 500


# --- killed


def signed_roots(folder: Path, death: str, order: str) -> set[bytes]:
    """Every root of size 5 a witness signed: killed at ``death``, started again, asked for another history."""
    roots: set[bytes] = set()
    for command, hashes in [(witness_process.planted(death, order), HONEST), (("-m", "audit.witness"), FORGED)]:
        running = witness_process.started(folder, KEY.public, command=command)
        try:
            status, _, line = running.post(request(hashes, 0, 5))
            if status == 200 and cosigned(running, hashes, 5, line) is not None:
                roots.add(root(hashes[:5]))
        except (OSError, http.client.HTTPException):
            pass
        finally:
            running.kill()
    return roots


@pytest.mark.parametrize("death", ["before_persist", "after_persist", "after_answer"])
def test_a_witness_killed_at_any_step_never_signs_a_second_history(tmp_path, death):
    roots = signed_roots(tmp_path / "witness", death, "persist_first")
    expected = {"before_persist": FORGED, "after_answer": HONEST}.get(death)
    assert roots == ({root(expected[:5])} if expected else set())


@pytest.mark.long_sizes
def test_control_a_witness_that_answers_before_it_persists_is_caught(tmp_path, note):
    signed = signed_roots(tmp_path / "witness", "after_answer", "answer_first")
    note("A3", "control: a witness that answers before it persists", "1 kill", f"{len(signed)} histories", "caught: 2")
    assert len(signed) == 2


@pytest.mark.long_sizes
def test_a_witness_killed_at_any_moment_never_signs_a_second_history(tmp_path, is_long, repeats, note):
    rng, tried, doubled = random.Random(5), 0, 0
    for number in repeats(200 if is_long else 4):
        roots: dict[int, set[bytes]] = {}
        for hashes in (HONEST, FORGED):
            grown_until_killed(tmp_path / str(number), hashes, rng.uniform(0, 0.05), roots)
        tried += 1
        doubled += any(len(found) > 1 for found in roots.values())
    note("A3", "a witness killed at random moments", f"{tried} kills", f"{doubled} signed two histories of one size", 0)
    assert doubled == 0


def grown_until_killed(folder, hashes, seconds, roots):
    running = witness_process.started(folder, KEY.public)
    threading.Timer(seconds, running.process.kill).start()
    old = 0
    try:
        while old < len(hashes):
            status, _, body = running.post(request(hashes, old, old + 1))
            if status == 409:
                if int(body) == old:
                    break
                old = int(body)
                continue
            if status != 200:
                break
            roots.setdefault(old + 1, set()).add(root(hashes[: old + 1]))
            old += 1
    except (OSError, http.client.HTTPException):
        pass
    finally:
        running.kill()


def test_two_submissions_at_once_never_roll_the_witness_back(witness):
    assert witness.post(request(HONEST, 0, 1))[0] == 200
    replies: list[int] = []
    bodies = [request(HONEST, 1, size) for size in range(2, 18)]
    threads = [threading.Thread(target=lambda body=body: replies.append(witness.post(body)[0])) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(replies) == [200] + [409] * 15


def test_it_needs_no_django():
    code = "import sys; sys.modules['django'] = None; import audit.witness"
    assert subprocess.run([sys.executable, "-c", code], cwd=witness_process.ROOT, check=False).returncode == 0
