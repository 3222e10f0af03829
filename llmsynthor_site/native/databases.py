"""Two databases of a site's own on a PostgreSQL server that is there, and their end."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from django.core.management.base import CommandError


def of(server: str, name: str) -> str:
    """The address of the database ``name`` on ``server``, which is the address of any of its databases."""
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def make(server: str, *names: str) -> None:
    told(server, *(f'CREATE DATABASE "{name}"' for name in names))


def drop(server: str, *names: str) -> None:
    """Whoever is still connected is cut off."""
    told(server, *(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)' for name in names))


def told(server: str, *statements: str) -> None:
    import psycopg  # of the production requirements: the embedded default needs none

    try:
        with psycopg.connect(server, autocommit=True, connect_timeout=10) as connection:
            for statement in statements:
                connection.execute(statement)
    except psycopg.OperationalError as problem:
        raise CommandError(f"PostgreSQL at {urlsplit(server).hostname} cannot be used: {problem}") from None
