"""What the database itself keeps: triggers that refuse to change or delete a row, and the log's own functions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.db import migrations

_POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'append-only: rows of % are never changed or deleted', TG_TABLE_NAME; END $$
"""


# The changes a body may see: it is destroyed, whole, once, after an entry that says so; or it is sealed with another
# key, its salt unchanged, so that the hash in the log goes on telling whether it is still the same.
_ERASURE = """
    {no} OLD.erased AND NEW.erased AND NEW.id = OLD.id AND NEW.kind = OLD.kind AND NEW.key_id = OLD.key_id
    AND length(NEW.cipher) = 0 AND length(NEW.salt) = 0 AND length(NEW.nonce) = 0
    AND EXISTS (SELECT 1 FROM audit_logentry WHERE event_id = 'erased:' || OLD.id)
    OR {no} OLD.erased AND {no} NEW.erased AND NEW.id = OLD.id AND NEW.kind = OLD.kind AND NEW.salt = OLD.salt
    AND NEW.key_id <> OLD.key_id
"""
_POSTGRES_ERASURE = f"""
CREATE OR REPLACE FUNCTION refuse_all_but_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {_ERASURE.format(no="NOT")} THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'append-only: rows of % change by an erasure after its entry or a new seal alone', TG_TABLE_NAME;
END $$
"""


def append_only(table: str, *, erasable: bool = False) -> migrations.RunPython:
    """A migration step that makes ``table`` (named app_model) append-only, on SQLite and PostgreSQL.

    ``erasable`` is for the table of bodies: there a row may be destroyed, once its erasure is in the log.
    SQLite loses triggers when a later migration rebuilds the table: repeat this step after such a one.
    """
    _app, model = table.split("_", 1)

    def install(apps: Any, schema_editor: Any) -> None:
        remove(apps, schema_editor)  # where a database kept them through a rebuild
        for statement in _install(schema_editor.connection, table, _unique_columns(apps, table), erasable):
            schema_editor.execute(statement)

    def remove(apps: Any, schema_editor: Any) -> None:
        for statement in _remove(schema_editor.connection, table):
            schema_editor.execute(statement)

    return migrations.RunPython(install, remove, hints={"model_name": model})


def postgres_functions(name: str) -> migrations.RunPython:
    """A migration step that makes what ``sql/name`` says, on PostgreSQL alone; nobody but the owner may call it yet."""
    text = (Path(__file__).parent / "sql" / name).read_text()
    made = re.findall(r"^CREATE (?:UNLOGGED )?(FUNCTION|TABLE) (\w+)", text, re.MULTILINE)

    def install(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            return
        schema_editor.execute(text.replace("SCHEMA", _schema(schema_editor.connection)), None)
        for kind, each in made:
            if kind == "FUNCTION":
                schema_editor.execute(f"REVOKE ALL ON FUNCTION {each} FROM PUBLIC", None)

    def remove(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            for kind, each in reversed(made):
                schema_editor.execute(f"DROP {kind} {each}", None)

    return migrations.RunPython(install, remove, hints={"model_name": "logentry"})


def _schema(connection: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return str(connection.ops.quote_name(cursor.fetchone()[0]))


def trigger_names(table: str) -> tuple[str, ...]:
    """The triggers ``append_only`` leaves on a table."""
    return tuple(f"{table}_{kind}" for kind in ("no_update", "no_delete", "no_replace"))


def missing_triggers(connection: Any, table: str) -> list[str]:
    """Which of a table's triggers are gone or switched off."""
    query = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s"
    if connection.vendor == "postgresql":
        query = "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgenabled IN ('O', 'A')"
    with connection.cursor() as cursor:
        cursor.execute(query, [table])
        found = {name for (name,) in cursor.fetchall()}
    return [name for name in trigger_names(table) if name not in found]


def _unique_columns(apps: Any, table: str) -> list[str]:
    app, name = table.split("_", 1)
    fields = apps.get_model(app, name)._meta.local_fields
    return [field.column for field in fields if field.unique]


def _install(connection: Any, table: str, unique: list[str], erasable: bool) -> list[str]:
    quote = connection.ops.quote_name
    update, delete, replace = map(quote, trigger_names(table))
    if connection.vendor == "postgresql":
        call = "EXECUTE FUNCTION refuse_change()"
        changed = "EXECUTE FUNCTION refuse_all_but_erasure()" if erasable else call
        return [
            _POSTGRES_FUNCTION.replace("%", "%%"),
            _POSTGRES_ERASURE.replace("%", "%%"),
            f"CREATE TRIGGER {update} BEFORE UPDATE ON {quote(table)} FOR EACH ROW {changed}",
            f"CREATE TRIGGER {delete} BEFORE DELETE ON {quote(table)} FOR EACH ROW {call}",
            f"CREATE TRIGGER {replace} BEFORE TRUNCATE ON {quote(table)} FOR EACH STATEMENT {call}",
        ]
    refuse = f"SELECT RAISE(ABORT, 'append-only: rows of {table} are never changed or deleted')"
    # INSERT OR REPLACE deletes the old row without asking a delete trigger, so it is refused on its own.
    taken = " OR ".join(f"{quote(column)} = NEW.{quote(column)}" for column in unique)
    found = f"EXISTS (SELECT 1 FROM {quote(table)} WHERE {taken})"  # noqa: S608  # nosec B608  # names, not values
    unless = f"WHEN NOT ({_ERASURE.format(no='NOT')})" if erasable else ""
    return [
        f"CREATE TRIGGER {update} BEFORE UPDATE ON {quote(table)} {unless} BEGIN {refuse}; END",
        f"CREATE TRIGGER {delete} BEFORE DELETE ON {quote(table)} BEGIN {refuse}; END",
        f"CREATE TRIGGER {replace} BEFORE INSERT ON {quote(table)} WHEN {found} BEGIN {refuse}; END",
    ]


def _remove(connection: Any, table: str) -> list[str]:
    quote = connection.ops.quote_name
    on = f" ON {quote(table)}" if connection.vendor == "postgresql" else ""
    return [f"DROP TRIGGER IF EXISTS {quote(name)}{on}" for name in trigger_names(table)]
