"""A PostgreSQL server of a test's or benchmark's own, in a folder of its own, that may be stopped in every way."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
BIN = FOUND[-1].parent if FOUND else Path(shutil.which("initdb") or "/nowhere/initdb").parent
ACCOUNT = "postgres" if os.getuid() == 0 else None
"""PostgreSQL refuses to run as root."""


TRIES, TAKEN = 5, "Address already in use"


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def available() -> bool:
    return (BIN / "initdb").exists()


def statement(url: str, text: str) -> list[tuple[object, ...]]:
    """Run one statement, committed at once; the rows it gives."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(text)
        return cursor.fetchall() if cursor.description else []


class Server:
    """Answers on 127.0.0.1 under the role ``postgres`` without a password; ``close`` leaves nothing behind."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="llmsynthor-postgres-"))
        if ACCOUNT:
            shutil.chown(self.folder, ACCOUNT)
        self.port = 0
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C")
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write("listen_addresses = '127.0.0.1'\nmax_connections = 60\n")
            file.write(f"unix_socket_directories = '{self.folder}'\nshared_buffers = 32MB\nwal_writer_delay = 10s\n")
        self._start_somewhere()

    def _start_somewhere(self) -> None:
        """At a free port; at another one where some program took it before this server did."""
        for tries_left in reversed(range(TRIES)):
            self.port = free_port()
            with (self.folder / "data" / "postgresql.conf").open("a") as file:
                file.write(f"port = {self.port}\n")  # the last such line counts
            try:
                self.start()
                return
            except RuntimeError:
                if not tries_left or TAKEN not in (self.folder / "server.log").read_text():
                    raise

    def start(self) -> None:
        self._run("pg_ctl", "--wait", "--timeout=120", f"--log={self.folder / 'server.log'}", "start")

    def stop(self, how: str = "immediate") -> None:
        """``immediate``: as if the machine's power failed, but for what the disk holds; ``fast``: in order."""
        self._run("pg_ctl", "--wait", "--timeout=120", f"--mode={how}", "stop")

    def close(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)

    def create(self, name: str) -> str:
        """A new database; its URL."""
        self.sql(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def url(self, name: str, *, role: str = "postgres") -> str:
        return f"postgres://{role}@127.0.0.1:{self.port}/{name}"

    def sql(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements as the superuser, each committed; what the last one gives."""
        return [statement(self.url(database), each) for each in statements][-1]

    def _run(self, command: str, *arguments: str) -> None:
        line: Sequence[str] = [str(BIN / command), f"--pgdata={self.folder / 'data'}", *arguments]
        done = subprocess.run(
            line, user=ACCOUNT, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, check=False,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, extra_groups=[] if ACCOUNT else None,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stderr[-500:]}")
