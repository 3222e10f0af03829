"""Files that one key seals and another opens: uploads are sealed by anyone and opened by the vault alone.

A sealed file is a header (magic, an ephemeral X25519 public key) and records: four bytes of length, then
AES-256-GCM under a key derived by HKDF-SHA256 from the exchange with the recipient's key. The nonce is the
record's number and whether it is the last, so that records cannot be reordered, dropped or added at the
end; the context (whose file this is) is bound into every record, so that files cannot be swapped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from privacy.errors import SealBroken

MAGIC = b"llmsynthor sealed 1\n"
LONGEST_RECORD = 64 * 2**20
KEY_BYTES = 32


class Sealer:
    """Writes records to ``out``; only ``close`` makes the file complete."""

    def __init__(self, out: IO[bytes], recipient: X25519PublicKey, *, context: bytes) -> None:
        ephemeral = X25519PrivateKey.generate()
        header = MAGIC + ephemeral.public_key().public_bytes_raw()
        self._out, self._context, self._number = out, context, 0
        self._cipher = _cipher(ephemeral.exchange(recipient), header, recipient)
        out.write(header)

    def write(self, record: bytes) -> None:
        self._record(record, last=False)

    def close(self, *, durable: bool = True) -> None:
        """Write the closing record, without which a file does not open, and see it to the disk if it is to last."""
        self._record(b"", last=True)
        self._out.flush()
        if durable:
            os.fsync(self._out.fileno())

    def _record(self, record: bytes, *, last: bool) -> None:
        if len(record) > LONGEST_RECORD:
            raise ValueError("a record is longer than a sealed file holds")
        sealed = self._cipher.encrypt(_nonce(self._number, last=last), record, self._context)
        self._out.write(len(sealed).to_bytes(4, "big") + sealed)
        self._number += 1


def opened(source: IO[bytes], key: X25519PrivateKey, *, context: bytes) -> Iterator[bytes]:
    """The records in order. SealBroken on anything but the whole, untouched file for this key and context."""
    header = _exactly(source, len(MAGIC) + KEY_BYTES)
    if not header.startswith(MAGIC):
        raise SealBroken("this is not a sealed file")
    sender = X25519PublicKey.from_public_bytes(header[len(MAGIC) :])
    cipher = _cipher(key.exchange(sender), header, key.public_key())
    number, last = 0, False
    while not last:
        length = int.from_bytes(_exactly(source, 4), "big")
        if length > LONGEST_RECORD + 16:
            raise SealBroken("a sealed record is too long")
        sealed = _exactly(source, length)
        last = length == 16
        record = _decrypt(cipher, sealed, _nonce(number, last=last), context)
        if not last:
            yield record
        number += 1
    if source.read(1):
        raise SealBroken("something follows the end of a sealed file")


def make_keys(private: Path, public: Path) -> None:
    """A new pair at these paths, unless there is one; the private key is readable by this account alone."""
    private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not private.exists():
        write_new(private, X25519PrivateKey.generate().private_bytes_raw().hex(), mode=0o600)
    if not public.exists():
        write_new(public, private_key(private).public_key().public_bytes_raw().hex(), mode=0o644)


def private_key(path: Path) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(_key(path))


def public_key(path: Path) -> X25519PublicKey:
    return X25519PublicKey.from_public_bytes(_key(path))


def write_new(path: Path, text: str, *, mode: int) -> None:
    """Write a file whole or not at all; where two race, the first one stays."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink()


def _key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise SealBroken(f"{path.name} is missing or malformed; 'manage.py make_vault_keys' makes the vault's keys")
    return key


def _cipher(shared: bytes, header: bytes, recipient: X25519PublicKey) -> AESGCM:
    derived = HKDF(SHA256(), length=32, salt=recipient.public_bytes_raw(), info=header).derive(shared)
    return AESGCM(derived)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _exactly(source: IO[bytes], length: int) -> bytes:
    found = source.read(length)
    if len(found) != length:
        raise SealBroken("a sealed file is cut short")
    return found


def _decrypt(cipher: AESGCM, sealed: bytes, nonce: bytes, context: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, sealed, context)
    except InvalidTag:
        raise SealBroken("a sealed file is damaged, or meant for another key or version") from None
