"""The site's keys, one folder: who signs the log's checkpoints, what seals its bodies, and who signs packages.

Turning to new ones is audit/key_care.py; earlier signing keys are remembered by the statements that ended them. The
key of packages is one of its own: whoever has it cannot write another log, and the log vouches for it
(audit/package_keys.py).
"""

from __future__ import annotations

import hashlib
import os
import secrets
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from audit import rotations
from audit.errors import LogUnavailable
from audit.notes import Checkpoint, NoteError, PrivateKey, PublicKey

SIGNING, PUBLIC, BODIES = "log-signing.key", "log.pub", "log-bodies.key"
NEXT, STATEMENTS = "log-signing.next.key", "log-rotations"
PACKAGES, PACKAGES_PUBLIC = "packages-signing.key", "packages.pub"


def folder() -> Path:
    return Path(settings.SITE_DIR) / "keys"


def make() -> PublicKey:
    """Make what is missing (files readable by this account alone) and give the public key."""
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder() / SIGNING).exists():
        _write(SIGNING, PrivateKey.make(f"llmsynthor/log-{secrets.token_hex(6)}").secret_text() + "\n")
    if not (folder() / BODIES).exists():
        _write(BODIES, secrets.token_hex(32) + "\n")
    if not (folder() / PACKAGES).exists():
        _write(PACKAGES, PrivateKey.make(f"llmsynthor/packages-{secrets.token_hex(6)}").secret_text() + "\n")
    for name, key in ((PUBLIC, public()), (PACKAGES_PUBLIC, packages().public)):
        if not (folder() / name).exists():
            _write(name, f"{key}\n", mode=0o644)
    return public()


def signing() -> PrivateKey:
    """The key that signs checkpoints; raises LogUnavailable when it is missing or malformed."""
    return _pair(_read(SIGNING), SIGNING)[0]


def public() -> PublicKey:
    return _pair(_read(SIGNING), SIGNING)[1]


def packages() -> PrivateKey:
    """The key that signs packages, as it lies there; raises LogUnavailable when it is missing or malformed."""
    return _pair(_read(PACKAGES), PACKAGES)[0]


@lru_cache(maxsize=4)
def _pair(text: str, name: str) -> tuple[PrivateKey, PublicKey]:
    try:
        key = PrivateKey.parse(text)
    except NoteError as error:
        raise LogUnavailable(f"{name}: {error}") from error
    return key, key.public


def check_apart() -> None:
    """LogUnavailable where this process may read the key of packages and it is no key, or the log's own."""
    if os.access(folder() / PACKAGES, os.R_OK) and packages().public.raw == public().raw:
        raise LogUnavailable(f"{PACKAGES} is the log's own key: whoever signs packages could write another log")


def statements(name: str = STATEMENTS) -> list[bytes]:
    """The hand-overs from each signing key to the next, oldest first, unchecked. Raises OSError."""
    return [path.read_bytes() for path in sorted((folder() / name).glob("*.note"))]


def publics() -> list[PublicKey]:
    """Every key that signed for this log, oldest first, the one in force last. Raises LogUnavailable."""
    own = public()
    try:
        return [key for key in rotations.chain(statements()) if key != own] + [own]
    except (NoteError, OSError) as error:
        raise LogUnavailable(f"{STATEMENTS}: {error}") from error


def opened(note: bytes) -> Checkpoint:
    """A checkpoint of this log, signed by the key in force or an earlier one. Raises NoteError, LogUnavailable."""
    try:
        return _opened(note, public())
    except NoteError:
        return rotations.checkpoint(note, publics())


@lru_cache(maxsize=8)
def _opened(note: bytes, key: PublicKey) -> Checkpoint:
    """The same bytes under the same key hold for ever, and the newest anchor is read five times for each prompt."""
    return Checkpoint.opened(note, key)


def exposed() -> list[Path]:
    """Files among the keys of this site, its public ones left out, that somebody besides their owner may read."""
    secret = [path for path in folder().glob("[!.]*") if path.is_file() and path.suffix != ".pub"]
    return sorted(path for path in secret if path.stat().st_mode & 0o077)


def body_keys() -> dict[str, bytes]:
    """Every key a body may be sealed with, by its id, newest last: one per line, so keys can be rotated."""
    try:
        found = [bytes.fromhex(line) for line in _read(BODIES).split()]
    except ValueError as error:
        raise LogUnavailable(f"{BODIES}: not hexadecimal") from error
    if not found or any(len(key) != 32 for key in found):
        raise LogUnavailable(f"{BODIES}: every key needs 32 bytes")
    return {hashlib.sha256(b"body key" + key).hexdigest()[:16]: key for key in found}


def _read(name: str) -> str:
    try:
        if (folder() / name).stat().st_mode & 0o077:
            raise LogUnavailable(f"key file {name} may be read by others; allow its owner alone (chmod 600)")
        return (folder() / name).read_text()
    except OSError as error:
        raise LogUnavailable(f"key file {name} cannot be read; 'manage.py make_keys' makes one") from error


def _write(name: str, text: str, *, mode: int = 0o600) -> None:
    # Exclusive, so that of two processes starting a new site one makes the key and the other reads it;
    # written beside and linked into place, so that nobody ever reads half a key.
    beside = folder() / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, folder() / name)
    except FileExistsError:
        pass
    finally:
        beside.unlink()
