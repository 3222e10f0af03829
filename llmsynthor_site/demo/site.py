"""A new site: its databases and keys, its people, and the table it begins with."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from llmsynthor_site.demo.people import People, invite
from llmsynthor_site.demo.table import SCHEMA, write_table
from privacy.schema import Schema


def prepare() -> People:
    """Databases, keys and people of the new site."""
    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    for command in ("make_keys", "make_vault_keys"):
        call_command(command, stdout=io.StringIO())
    return invite()


def check_chosen(data: str | Path | None, schema: str | Path | None) -> None:
    """The user's own table is there and its declaration can be read, before a site is made for it. CommandError names
    what is missing, SchemaError what is wrong.
    """
    if bool(data) != bool(schema):
        raise CommandError("DATA and SCHEMA go together: a table needs its declared schema (docs/schema.md).")
    if data and schema:
        for path in (Path(data), Path(schema)):
            if not path.is_file():
                raise CommandError(f"There is no file {path}.")
        Schema.parse(Path(schema).read_bytes())


def chosen(data: str | Path | None, schema: str | Path | None) -> dict[str, Any]:
    """The table and schema to use: the user's own, or the demonstration's."""
    if data and schema:
        return {"table": Path(data), "schema": Path(schema).read_bytes(), "title": ""}
    table = write_table(Path(settings.SITE_DIR) / "401ksubs.csv")
    return {"table": table, "schema": SCHEMA.read_bytes(), "title": "401(k) participation of families"}


def begin_anew(folder: Path, **changes: str) -> None:
    """The same command again, on a site in ``folder``: settings are read once per process, so this one is replaced."""
    folder.mkdir(parents=True)
    changes |= {"SITE_DIR": str(folder), "DEMO": "1", "PRODUCTION": "0"}
    again(**changes)


def again(**changes: str) -> NoReturn:
    """The same command in the place of this process, with these settings changed."""
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **changes})  # noqa: S606  # nosec B606
