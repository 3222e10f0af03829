"""Signed checkpoints kept outside the database, so that the database cannot be rolled back unseen.

The folder should lie on another volume than the database. ``latest.note`` is the anchor; every note
stays beside it under its size.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from audit import durable, keys
from audit.errors import LogUnavailable
from audit.notes import Checkpoint, NoteError

LATEST = "latest.note"


def folder() -> Path:
    return Path(settings.SITE_DIR) / "anchors"


def write(size: int, note: bytes) -> None:
    """Keep a note, on the disk and not only in its cache, before returning; the anchor never goes back.

    Raises OSError, or LogUnavailable for an anchor that cannot be read.
    """
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone():
        path, newest = folder() / f"{size:012d}.note", latest()
        durable.replace(path, note)
        if newest is None or newest.size <= size:
            durable.name_too(path, folder() / LATEST)
        durable.sync(folder())


@contextmanager
def _alone() -> Iterator[None]:
    """The folder locked against other processes that anchor."""
    handle = os.open(folder(), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def latest_note() -> bytes | None:
    """The newest anchor as it was written, unchecked; None where nothing was ever anchored."""
    try:
        return (folder() / LATEST).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LogUnavailable("the anchor cannot be read") from error


def latest() -> Checkpoint | None:
    """The newest anchor, its signature checked; None where nothing was ever anchored."""
    note = latest_note()
    try:
        return None if note is None else keys.opened(note)
    except NoteError as error:
        raise LogUnavailable(f"the anchor is not valid: {error}") from error


def every() -> list[bytes]:
    """All anchored notes, oldest first, unchecked."""
    return [path.read_bytes() for path in sorted(folder().glob("[0-9]*.note"))]
