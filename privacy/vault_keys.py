"""Turning to a new vault key. At every moment, also after a crash half-way, every version can be opened.

The key in force opens first, then the retired one. A retired key is kept until nothing is wrapped to it:
an upload that began before the turn may still end after it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from audit import events
from privacy import locks, places, sealing, wrapping


def private_keys() -> list[X25519PrivateKey]:
    """The key in force, then the retired one where there is one. SealBroken when the first is missing."""
    paths = [places.vault_key(), *([places.retired_key()] if places.retired_key().exists() else [])]
    return [sealing.private_key(path) for path in paths]


def rotate(*, by: str) -> int:
    """Make a new vault key, wrap every version's key to it, and retire the old one; how many were wrapped."""
    with locks.alone(places.wrapped_keys()):
        _forget_retired()
        old = sealing.private_key(places.vault_key())
        _replace(places.retired_key(), old.private_bytes_raw().hex(), mode=0o600)
        new = X25519PrivateKey.generate()
        _replace(places.vault_key(), new.private_bytes_raw().hex(), mode=0o600)
        wrapped = _wrap_all()
    facts = {"old_key": fingerprint(old.public_key()), "new_key": fingerprint(new.public_key())}
    events.append(action="privacy:vault:rotated", by=by, subject="vault", facts=facts)
    return wrapped


def forget(*, by: str) -> bool:
    """Destroy the retired key, after wrapping what is still wrapped to it; whether there was one."""
    with locks.alone(places.wrapped_keys()):
        gone = _forget_retired()
    if gone is not None:
        events.append(action="privacy:vault:key_destroyed", by=by, subject="vault", facts={"old_key": gone})
    return gone is not None


def fingerprint(key: X25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def _forget_retired() -> str | None:
    if not places.retired_key().exists():
        return None
    _wrap_all()
    old = fingerprint(sealing.private_key(places.retired_key()).public_key())
    wrapping.destroy(places.retired_key())
    return old


def _wrap_all() -> int:
    """Publish the key in force, and wrap every version's key to it."""
    keys = private_keys()
    public = keys[0].public_key()
    _replace(places.vault_public_key(), public.public_bytes_raw().hex(), mode=0o644)
    found = sorted(places.wrapped_keys().glob("*.key"))
    for path in found:
        wrapping.rewrap(path, keys, public, context=path.stem)
    return len(found)


def _replace(path: Path, text: str, *, mode: int) -> None:
    """Write a file whole, over an old one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    sealing.write_new(beside, text, mode=mode)
    beside.replace(path)
