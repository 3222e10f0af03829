"""The application's role in the log's database on PostgreSQL: it calls the log's functions and reads its tables."""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction

from audit.entering import ALIAS
from audit.errors import AuditError
from audit.postgres import FUNCTIONS

TABLES = ("audit_logentry", "audit_loghead", "audit_body", "audit_checkpoint", "django_migrations")


def statements(role: str) -> list[str]:
    """What takes every other right away from ``role`` and gives it these. AuditError where it could take them back."""
    connection = _connection()
    _refuse_mighty(connection, role)
    quote = connection.ops.quote_name
    schema, to = quote(_one(connection, "SELECT current_schema()")), quote(role)
    kinds = ("TABLES", "SEQUENCES", "FUNCTIONS")
    return [
        *(f"REVOKE ALL ON ALL {kind} IN SCHEMA {schema} FROM PUBLIC, {to}" for kind in kinds),
        f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {to}",
        f"GRANT USAGE ON SCHEMA {schema} TO {to}",
        f"GRANT SELECT ON {', '.join(map(quote, TABLES))} TO {to}",
        *(f"GRANT EXECUTE ON FUNCTION {quote(name)} TO {to}" for name in FUNCTIONS),
    ]


def grant(role: str) -> None:
    """Carry the statements out, all or none. AuditError as for :func:`statements`."""
    wanted = statements(role)
    with transaction.atomic(using=ALIAS), _connection().cursor() as cursor:
        for statement in wanted:
            cursor.execute(statement)


def _refuse_mighty(connection: Any, role: str) -> None:
    mighty = _one(connection, "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = %s", role)
    if mighty is None:
        raise AuditError(f"there is no role {role}; CREATE ROLE makes one")
    if mighty:
        raise AuditError(f"{role} is a superuser or makes roles: no grant limits it")
    query = "SELECT bool_or(pg_has_role(%s, tableowner, 'MEMBER')) FROM pg_tables WHERE tablename LIKE 'audit%%'"
    if _one(connection, query, role):
        raise AuditError(f"{role} owns the log's tables, or is a member of their owner: no grant limits it")


def _one(connection: Any, query: str, *values: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        found = cursor.fetchone()
    return None if found is None else found[0]


def _connection() -> Any:
    connection = connections[ALIAS]
    if connection.vendor != "postgresql":
        raise AuditError("roles are PostgreSQL's: on SQLite whoever may write to the file may change it")
    return connection
