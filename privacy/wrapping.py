"""One key pair for every dataset version, its private half wrapped to the vault's key in a small file of its own.

Sealed data never changes: turning to a new vault key wraps the small files again, and destroying one of
them makes that version unreadable for ever, wherever copies of the sealed data may lie. How the data itself
is sealed is privacy/sealing.py; a wrapped key is a sealed file with one record.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from privacy import sealing
from privacy.errors import SealBroken


def new_key(wrapped: Path, vault: X25519PublicKey, *, context: str) -> X25519PublicKey:
    """Make a version's pair and keep its private half wrapped at ``wrapped``; what to seal the data to."""
    key = X25519PrivateKey.generate()
    with wrapped.open("xb") as file:
        _wrap(file, key, vault, context)
    return key.public_key()


def open_key(wrapped: Path, keys: Iterable[X25519PrivateKey], *, context: str) -> X25519PrivateKey:
    """A version's private key, by whichever of the vault's keys opens it. SealBroken when none does."""
    try:
        content = wrapped.read_bytes()
    except OSError:
        raise SealBroken("the key of this version is gone: it was destroyed, or never made") from None
    for key in keys:
        try:
            records = list(sealing.opened(io.BytesIO(content), key, context=_context(context)))
        except SealBroken:
            continue
        return X25519PrivateKey.from_private_bytes(b"".join(records))
    raise SealBroken("the key of this version is damaged, or wrapped to another vault")


def rewrap(wrapped: Path, keys: Iterable[X25519PrivateKey], vault: X25519PublicKey, *, context: str) -> None:
    """Wrap a version's key to another vault key; the file is replaced whole or not at all."""
    key = open_key(wrapped, keys, context=context)
    beside = wrapped.with_name(f".{wrapped.name}.{os.getpid()}")
    with beside.open("wb") as file:
        _wrap(file, key, vault, context)
    beside.replace(wrapped)


def destroy(wrapped: Path) -> None:
    """Overwrite and remove a wrapped key; nothing happens when it is gone already."""
    try:
        with wrapped.open("r+b") as file:
            file.write(os.urandom(wrapped.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        wrapped.unlink()
    except FileNotFoundError:
        return
    folder = os.open(wrapped.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _wrap(file: io.BufferedWriter, key: X25519PrivateKey, vault: X25519PublicKey, context: str) -> None:
    sealer = sealing.Sealer(file, vault, context=_context(context))
    sealer.write(key.private_bytes_raw())
    sealer.close()


def _context(version: str) -> bytes:
    return b"key of " + version.encode()
