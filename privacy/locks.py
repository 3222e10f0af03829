"""One at a time, by a lock that is handed on in turn and taken back from whoever dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NEW_DATA = 0x6C6C6D73  # any number that no other lock of this database has


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; waits for it without asking again and again."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def alone_in(connection: Any) -> None:
    """Until this transaction ends nobody else gets here in theirs; of SQLite's only one writes at a time anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [NEW_DATA])
