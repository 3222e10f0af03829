"""Sites that tests begin with, made once in a process and put back row by row and file by file after that.

Only what many tests begin with is remembered, and only where a site is still empty: what tests are about they do
themselves. Under other settings, beside other files or inside a test's own transaction a site is made anew, and so it
is after a minute: what is older than that is late for some of the product's own rules, such as when it is anchored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import UserSettingsHolder, settings
from django.db import connections, transaction

ALIASES = ("default", "log")
OF_THE_SCHEMA = {"django_migrations", "django_content_type", "auth_permission", "sqlite_sequence"}
OF_EACH_TEST = {"SITE_DIR", "DOOR_SOCKET"}
FRESH_SECONDS = 60

Table = tuple[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Memory:
    """When it was begun, the rows of each database by table, and what lies in the site's folder: mode and bytes."""

    begun: float
    rows: dict[str, list[Table]]
    files: dict[Path, tuple[int, bytes | None]]


_memories: dict[tuple[Any, ...], Memory] = {}


def once(name: str, make: Callable[[], Any]) -> None:
    """Leave the state that ``make`` leaves on an empty site; ``name`` says what that is."""
    if any(connections[alias].vendor != "sqlite" for alias in ALIASES) or any(map(_rows, ALIASES)):
        make()
        return
    place = (name, _circumstances())
    begun = time.monotonic()
    if place in _memories and begun - _memories[place].begun < FRESH_SECONDS:
        _put_back(_memories[place])
    else:
        make()
        _memories[place] = Memory(begun, {alias: _rows(alias) for alias in ALIASES}, dict(_files()))


def _circumstances() -> tuple[Any, ...]:
    """What a site is made by besides its code."""
    there = tuple(path for path, (_, content) in _files() if content is not None)
    return tuple(sorted(_overridden().items())), there, tuple(connections[one].in_atomic_block for one in ALIASES)


def _overridden() -> dict[str, str]:
    holder: Any = settings._wrapped  # type: ignore[misc]  # how overridden settings are stacked has no public name
    found: dict[str, str] = {}
    while isinstance(holder, UserSettingsHolder):
        found = {name: repr(value) for name, value in vars(holder).items() if name.isupper()} | found
        holder = holder.default_settings
    return {name: value for name, value in found.items() if name not in OF_EACH_TEST}


def _rows(alias: str) -> list[Table]:
    """Every table with rows in it, tables and rows in the order in which they were made."""
    with connections[alias].cursor() as cursor:
        names = [row[0] for row in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
        told = {
            name: cursor.execute(f'SELECT * FROM "{name}"').fetchall() for name in names if name not in OF_THE_SCHEMA
        }
    return [(name, rows) for name, rows in told.items() if rows]


def _files() -> Iterator[tuple[Path, tuple[int, bytes | None]]]:
    for path in sorted(settings.SITE_DIR.rglob("*")):
        if path.is_file() or path.is_dir():
            content = path.read_bytes() if path.is_file() else None
            yield path.relative_to(settings.SITE_DIR), (path.stat().st_mode & 0o777, content)


def _put_back(memory: Memory) -> None:
    for path, (mode, content) in memory.files.items():
        _lay(settings.SITE_DIR / path, mode, content)
    for alias, tables in memory.rows.items():
        with transaction.atomic(alias), connections[alias].cursor() as cursor:
            for name, rows in tables:
                places = ", ".join(["%s"] * len(rows[0]))
                cursor.executemany(f'INSERT INTO "{name}" VALUES ({places})', rows)


def _lay(path: Path, mode: int, content: bytes | None) -> None:
    if content is None:
        path.mkdir(parents=True, exist_ok=True)
    else:
        path.unlink(missing_ok=True)
        path.write_bytes(content)
    path.chmod(mode)
