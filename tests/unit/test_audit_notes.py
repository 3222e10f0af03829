import random

import pytest

from audit.notes import Checkpoint, NoteError, PrivateKey, PublicKey, opened, sign

# The worked example of the signed-note format.
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    TEXT
    + "\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUg"
    + "YN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_published_note_is_read_and_written_byte_for_byte():
    key = PublicKey.parse(PUBLIC)
    assert opened(NOTE.encode(), key) == TEXT
    assert sign(TEXT, PrivateKey.parse(SECRET)) == NOTE.encode()
    assert str(PrivateKey.parse(SECRET).public) == str(key) == PUBLIC
    assert PrivateKey.parse(SECRET).secret_text() == SECRET


@pytest.fixture(scope="module")
def key():
    return PrivateKey.make("example.org/log")


@pytest.fixture(scope="module")
def checkpoint():
    return Checkpoint("example.org/log", 17, bytes(range(32)))


def test_a_checkpoint_opens_with_its_own_key_only(key, checkpoint):
    note = checkpoint.signed(key)
    assert Checkpoint.opened(note, key.public) == checkpoint
    with pytest.raises(NoteError):
        Checkpoint.opened(note, PrivateKey.make("example.org/log").public)
    with pytest.raises(NoteError):
        Checkpoint.opened(note, PublicKey("example.org/other", key.public.raw))


def test_no_flipped_bit_of_a_checkpoint_goes_unseen(key, checkpoint):
    note, rng = checkpoint.signed(key), random.Random(3)
    for _ in range(1000):
        at = rng.randrange(len(note) * 8)
        changed = bytearray(note)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(NoteError):
            Checkpoint.opened(bytes(changed), key.public)


def test_signatures_by_strangers_are_ignored_but_malformed_lines_are_not(key, checkpoint):
    note = checkpoint.signed(key)
    stranger = sign(checkpoint.text(), PrivateKey.make("witness")).split(b"\n\n")[1]
    assert Checkpoint.opened(note + stranger, key.public) == checkpoint
    for bad in (b"no dash\n", "\u2014 name !!!!\n".encode(), note.split(b"\n\n")[1], b"\n"):
        with pytest.raises(NoteError):
            Checkpoint.opened(note + bad, key.public)


@pytest.mark.parametrize(
    "text",
    [
        "example.org/log\n017\nAAAA\n",
        "example.org/log\n-1\nAAAA\n",
        "example.org/log\n17\nAAAA\n",
        "example.org/log\n17\n" + "A" * 43 + "=\nextra\n",
        "example.org/another\n17\n" + "A" * 43 + "=\n",
        "example.org/log\n17\n" + "A" * 42 + "B=\n",
        "example.org/log\n\u0661\u0667\n" + "A" * 43 + "=\n",
    ],
)
def test_other_spellings_of_a_checkpoint_are_refused_even_when_signed(key, text):
    with pytest.raises(NoteError):
        Checkpoint.opened(sign(text, key), key.public)


@pytest.mark.parametrize(
    "text", ["", "a+b", "a+00000000+AAAA", PUBLIC[:-1] + "X", "a b+" + PUBLIC, PUBLIC.replace("c7", "c8")]
)
def test_malformed_public_keys_are_refused(text):
    with pytest.raises(NoteError):
        PublicKey.parse(text)


@pytest.mark.parametrize("text", ["", PUBLIC, SECRET.replace("c7", "c8"), SECRET[:-4]])
def test_malformed_private_keys_are_refused(text):
    with pytest.raises(NoteError):
        PrivateKey.parse(text)


def test_a_private_key_never_shows_itself(key):
    assert key.secret_text()[-20:] not in f"{key!r} {key}"
    with pytest.raises(NoteError):
        sign("no newline", key)
