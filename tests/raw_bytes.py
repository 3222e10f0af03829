"""The bytes of files, of databases that this process has open too."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path


def content(path: Path) -> bytes:
    """OSError where it is gone. A process that closes an SQLite file which it opened by itself loses every lock of its
    own connections on that file: others then take the journal away from under them. So another process reads it.
    """
    if ".sqlite3" not in path.name:
        return path.read_bytes()
    read = subprocess.run(["/bin/cat", "--", path], capture_output=True, check=False)
    if read.returncode:
        raise FileNotFoundError(path)
    return read.stdout


def below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file in a folder; one that others take away meanwhile is none."""
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                yield str(path), content(path)
        except FileNotFoundError:
            continue
