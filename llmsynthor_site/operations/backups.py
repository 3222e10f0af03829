"""A site's state and log in one folder, and a site made of such a folder again.

State is copied first and the log after it: a log that knows more than the state is refused until two people reconcile
them, and spends nothing twice. Neither keys nor anchors are copied: a key would lie beside what it opens, and an anchor
is there to outlive a backup. The manifest is written last, so a backup that broke off is none.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from audit import durable, log

ALIASES = ("default", "log")
FOLDERS = ("vault", "version-keys", "packages", "door")
MANIFEST = "backup.json"


class NoBackup(Exception):
    """The folder holds no whole backup, or this site cannot take it; the message says why."""


def make(out: Path) -> dict[str, Any]:
    """Copy state, log and sealed files into ``out``, a new or empty folder; the manifest that was written.

    NoBackup where the folder holds something, or a database cannot be copied; OSError when the disk does not take it.
    """
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(out.iterdir()):
        raise NoBackup(f"{out} is not empty: every backup has a folder of its own")
    for alias in ALIASES:
        dump(alias, out / f"{alias}.database")
    for name in FOLDERS:
        if (source := Path(settings.SITE_DIR) / name).is_dir():
            shutil.copytree(source, out / "files" / name)
    files = {str(path.relative_to(out)): digest(path) for path in contents(out)}
    told = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"), "log_size": log.size(), "files": files,
        "engines": {alias: connections[alias].vendor for alias in ALIASES},
    }  # fmt: skip
    durable.replace(out / MANIFEST, json.dumps(told, indent=1).encode())
    return told


def contents(folder: Path) -> Iterator[Path]:
    """All of a backup but its list and its folders; a link, which is neither, is among it."""
    found = (path for path in sorted(folder.rglob("*")) if path != folder / MANIFEST)
    return (path for path in found if path.is_symlink() or not path.is_dir())


def belongs(folder: Path, path: Path) -> bool:
    """Whether it is a plain file where a backup has one: a database, or something in a folder that is copied."""
    first, *rest = path.relative_to(folder).parts
    database = not rest and first in {f"{alias}.database" for alias in ALIASES}
    sealed = len(rest) > 1 and first == "files" and rest[0] in FOLDERS
    return (database or sealed) and path.is_file() and not path.is_symlink()


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checked(folder: Path) -> dict[str, Any]:
    """The manifest of a backup whose every byte is as it was written. NoBackup names the first file that is not, or
    that no backup has: a link, or anything beside the databases and the folders that are copied.
    """
    try:
        told: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        listed = dict(told["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise NoBackup(f"{folder} holds no whole backup: its list {MANIFEST} is missing or damaged") from None
    found = set()
    for path in contents(folder):
        if not belongs(folder, path):
            raise NoBackup(f"{path.relative_to(folder)} is no file that a backup has")
        found.add(str(path.relative_to(folder)))
    if odd := sorted(found ^ set(listed)):
        raise NoBackup(f"{odd[0]} is {'missing' if odd[0] in listed else 'not on the list'}")
    for name, wanted in listed.items():
        if digest(folder / name) != wanted:
            raise NoBackup(f"{name} is not as it was written")
    return told


def restore(folder: Path) -> dict[str, Any]:
    """Put a checked backup into this site, whose databases and sealed files must not be there yet; its manifest."""
    told = checked(folder)
    for alias in ALIASES:
        if connections[alias].vendor != told["engines"][alias]:
            raise NoBackup(f"the backup is of {told['engines'][alias]}, this site is on {connections[alias].vendor}")
        if connections[alias].introspection.table_names():
            raise NoBackup(f"the database {alias} of this site is not empty")
    for name in FOLDERS:
        if (place := Path(settings.SITE_DIR) / name).is_dir() and any(place.iterdir()):
            raise NoBackup(f"{place} is not empty")
    for alias in ALIASES:
        load(alias, folder / f"{alias}.database")
    for name in FOLDERS:  # and nothing else: keys and anchors are the site's own
        if (source := folder / "files" / name).is_dir():
            shutil.copytree(source, Path(settings.SITE_DIR) / name, symlinks=True, dirs_exist_ok=True)
    return told


def dump(alias: str, path: Path) -> None:
    if connections[alias].vendor == "sqlite":
        copied(file_of(alias), path)
    else:
        run("pg_dump", alias, "--format=custom", "--no-owner", f"--file={path}")


def load(alias: str, path: Path) -> None:
    if connections[alias].vendor == "sqlite":
        connections[alias].close()
        copied(path, file_of(alias))
    else:
        name = connections[alias].settings_dict["NAME"]
        run("pg_restore", alias, "--no-owner", "--exit-on-error", f"--dbname={name}", str(path))


def file_of(alias: str) -> Path:
    return Path(str(connections[alias].settings_dict["NAME"]))


def copied(source: Path, target: Path) -> None:
    """One moment of a database that others may be writing to."""
    with closing(sqlite3.connect(source, timeout=30)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def run(program: str, alias: str, *options: str) -> None:
    """One of PostgreSQL's own programs on this database; NoBackup when it fails or is not installed."""
    told = connections[alias].settings_dict
    names = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD", "PGDATABASE": "NAME"}
    given = {name: str(told[key]) for name, key in names.items() if told.get(key)}
    try:
        command = [program, "--no-password", *options]
        done = subprocess.run(  # nosec B603  # this code, no shell
            command, env={**os.environ, **given}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise NoBackup(f"{program} is not installed here") from None
    if done.returncode:
        raise NoBackup(f"{program}: {done.stderr.strip().splitlines()[-1][:300] if done.stderr.strip() else 'failed'}")
