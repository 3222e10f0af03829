"""Signed checkpoints kept outside the database, so that the database cannot be rolled back unseen.

The folder should lie on another volume than the database. ``latest.note`` is the anchor; every note
stays beside it under its size.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from audit import keys
from audit.errors import LogUnavailable
from audit.notes import Checkpoint, NoteError, PublicKey

LATEST = "latest.note"


def folder() -> Path:
    return Path(settings.SITE_DIR) / "anchors"


def write(size: int, note: bytes) -> None:
    """Keep a note, on the disk and not only in its cache, before returning; the anchor never goes back.

    Raises OSError, or LogUnavailable for an anchor that cannot be read.
    """
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone() as handle:
        _replace(folder() / f"{size:012d}.note", note)
        newest = latest()
        if newest is None or newest.size <= size:
            _replace(folder() / LATEST, note)
        os.fsync(handle)


@contextmanager
def _alone() -> Iterator[int]:
    """The folder, open and locked against other processes that anchor."""
    handle = os.open(folder(), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def latest() -> Checkpoint | None:
    """The newest anchor, its signature checked; None where nothing was ever anchored."""
    try:
        note = (folder() / LATEST).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LogUnavailable("the anchor cannot be read") from error
    return _opened(note, keys.public())


@lru_cache(maxsize=4)
def _opened(note: bytes, key: PublicKey) -> Checkpoint:
    """Every append reads the anchor; the same bytes need no second look at their signature."""
    try:
        return Checkpoint.opened(note, key)
    except NoteError as error:
        raise LogUnavailable(f"the anchor is not valid: {error}") from error


def every() -> list[bytes]:
    """All anchored notes, oldest first, unchecked."""
    return [path.read_bytes() for path in sorted(folder().glob("[0-9]*.note"))]


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with beside.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
