"""Files that are whole and on the disk, not only in its cache, once written. Pure."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def replace(path: Path, data: bytes) -> None:
    """Put a file in place whole, over an old one; ``sync`` its folder before relying on its name. Raises OSError."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with beside.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def name_too(path: Path, other: Path) -> None:
    """Give a file that is on the disk another name, or its bytes where there are no links. Raises OSError."""
    beside = other.with_name(f".{other.name}.{secrets.token_hex(4)}")
    try:
        beside.hardlink_to(path)
    except OSError:
        replace(other, path.read_bytes())
    else:
        beside.replace(other)


def sync(folder: Path) -> None:
    """Make the names in a folder last. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write(path: Path, data: bytes) -> None:
    """``replace`` and ``sync``, for a single file of which the name must last too."""
    replace(path, data)
    sync(path.parent)
