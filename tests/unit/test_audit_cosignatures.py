"""Cosignatures (cosignature/v1) and the hand-over of a log's key, against the formats' own descriptions."""

import base64
import hashlib
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit import rotations
from audit.cosignatures import WitnessKey, cosign, newest
from audit.notes import Checkpoint, NoteError, PrivateKey, PublicKey, Signatures, opened, parts

# A witness of the public network, as it gives its own key.
PUBLISHED = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
MOMENT = 1679315147


@pytest.fixture(scope="module")
def witness():
    return PrivateKey.make("witness.example/w1")


@pytest.fixture(scope="module")
def log():
    return PrivateKey.make("example.org/log")


@pytest.fixture(scope="module")
def text():
    return Checkpoint("example.org/log", 17, bytes(range(32))).text()


def test_a_published_witness_key_is_read_and_is_no_key_of_a_log():
    assert str(WitnessKey.parse(PUBLISHED)) == PUBLISHED
    with pytest.raises(NoteError):
        PublicKey.parse(PUBLISHED)
    with pytest.raises(NoteError):
        WitnessKey.parse(str(PrivateKey.make("example.org/log").public))


def test_a_cosignature_reads_as_the_format_says(witness, text):
    dash, name, data = cosign(text, witness, MOMENT).rstrip("\n").split(" ")
    raw = base64.b64decode(data)
    assert (dash, name, len(raw)) == ("\u2014", "witness.example/w1", 4 + 8 + 64)
    public = witness.public.raw
    assert raw[:4] == hashlib.sha256(b"witness.example/w1\n\x04" + public).digest()[:4]
    assert struct.unpack(">Q", raw[4:12]) == (MOMENT,)
    message = b"cosignature/v1\ntime 1679315147\n" + text.encode()
    Ed25519PublicKey.from_public_bytes(public).verify(raw[12:], message)


def test_of_several_by_one_witness_the_newest_counts_and_strangers_do_not(witness, text):
    lines = cosign(text, witness, 5) + cosign(text, witness, 9) + cosign(text, PrivateKey.make(witness.name), 99)
    assert newest(text, Signatures.parse(lines), WitnessKey.of(witness)) == 9
    assert newest(text, Signatures.parse(lines), WitnessKey.of(PrivateKey.make("other"))) is None


def test_a_cosignature_of_another_text_time_or_length_does_not_hold(witness, text):
    key = WitnessKey.of(witness)
    good = parts(f"x\n\n{cosign(text, witness, MOMENT)}".encode())[1]
    raw = good.by(key)[0]
    assert newest(text, good, key) == MOMENT
    with pytest.raises(NoteError, match="does not hold"):
        newest(text.replace("17", "18"), good, key)
    for bad in (bytes(8) + raw[8:], raw[:-1], raw + b"x", b"\xff" * 8 + raw[8:]):
        with pytest.raises(NoteError):
            newest(text, Signatures(((key.name, key.id + bad),)), key)


def test_a_checkpoint_still_opens_under_cosignatures_and_they_cannot_replace_its_own(witness, log, text):
    note = Checkpoint.of_text(text, log.public).signed(log) + cosign(text, witness, MOMENT).encode()
    assert opened(note, log.public) == text
    alone = f"{text}\n{cosign(text, log, MOMENT)}".encode()  # the log's own key, used as a witness's
    with pytest.raises(NoteError, match="0 signatures"):
        opened(alone, log.public)


# --- hand-overs


def test_the_chain_is_followed_from_any_of_its_keys(log):
    second, third = PrivateKey.make(log.name), PrivateKey.make(log.name)
    found = rotations.chain([rotations.signed(log, second), rotations.signed(second, third)])
    assert found == [log.public, second.public, third.public]
    assert rotations.chain([]) == []


def without_signature(note, key):
    text, signatures = parts(note)
    kept = [line for line, one in zip(note.decode().split("\n\n")[1].splitlines(), signatures.lines, strict=True)
            if one[1][:4] != key.public.id]  # fmt: skip
    return f"{text}\n{kept[0]}\n".encode()


def test_a_hand_over_that_lacks_a_signature_or_a_link_is_refused(log):
    second, third = PrivateKey.make(log.name), PrivateKey.make(log.name)
    good, thief = rotations.signed(log, second), PrivateKey.make(log.name)
    forged = rotations.signed(thief, third).replace(str(thief.public).encode(), str(second.public).encode())
    refused = [
        [without_signature(good, log)],
        [without_signature(good, second)],
        [good, rotations.signed(thief, third)],
        [good, forged],
        [rotations.signed(log, PrivateKey.make("another/log"))],
        [rotations.signed(log, log)],
        [good, rotations.signed(second, log)],
        [b"nothing"],
    ]
    for statements in refused:
        with pytest.raises(NoteError):
            rotations.chain(statements)
