"""A sealed file opens whole, with the right key, for the right version; and not otherwise."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from privacy import sealing
from privacy.errors import SealBroken

KEY = X25519PrivateKey.generate()
RECORDS = [b"first", b"", b"x" * 5000, b"last"]


def sealed(path: Path, *, close: bool = True, context: bytes = b"v1") -> Path:
    with path.open("wb") as out:
        sealer = sealing.Sealer(out, KEY.public_key(), context=context)
        for record in RECORDS[:1] + RECORDS[2:]:
            sealer.write(record)
        if close:
            sealer.close()
    return path


def read(path: Path, *, key: X25519PrivateKey = KEY, context: bytes = b"v1") -> list[bytes]:
    with path.open("rb") as source:
        return list(sealing.opened(source, key, context=context))


def test_what_was_sealed_comes_back(tmp_path: Path) -> None:
    assert read(sealed(tmp_path / "s")) == [b"first", b"x" * 5000, b"last"]


def test_the_sealed_file_shows_nothing_of_its_content(tmp_path: Path) -> None:
    assert b"first" not in sealed(tmp_path / "s").read_bytes()


def test_another_key_or_version_does_not_open_it(tmp_path: Path) -> None:
    path = sealed(tmp_path / "s")
    with pytest.raises(SealBroken, match="another key"):
        read(path, key=X25519PrivateKey.generate())
    with pytest.raises(SealBroken):
        read(path, context=b"v2")


def test_an_unfinished_file_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(SealBroken, match="cut short"):
        read(sealed(tmp_path / "s", close=False))


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path: Path) -> None:
    path = sealed(tmp_path / "s")
    whole = path.read_bytes()
    for place in [*range(0, 120), *range(len(whole) - 60, len(whole))]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises((SealBroken, ValueError)):
            read(path)
        path.write_bytes(whole[:place])
        with pytest.raises(SealBroken):
            read(path)


def test_records_cannot_be_swapped_or_added(tmp_path: Path) -> None:
    path = sealed(tmp_path / "s")
    whole = path.read_bytes()
    start = len(sealing.MAGIC) + sealing.KEY_BYTES
    first = whole[start : start + 4 + 5 + 16]
    for forged in (whole[:start] + whole[start + len(first) :], whole[:start] + first + whole[start:], whole + first):
        path.write_bytes(forged)
        with pytest.raises(SealBroken):
            read(path)


def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    private, public = tmp_path / "keys" / "vault.key", tmp_path / "keys" / "vault.pub"
    sealing.make_keys(private, public)
    before = private.read_text()
    sealing.make_keys(private, public)
    assert private.read_text() == before
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert sealing.private_key(private).public_key().public_bytes_raw() == sealing.public_key(public).public_bytes_raw()


def test_a_missing_key_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(SealBroken, match="make_vault_keys"):
        sealing.public_key(tmp_path / "vault.pub")
