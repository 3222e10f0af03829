"""Tests that look for secrets in a database's files leave the database whole."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests import raw_bytes

ANOTHER = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM t').fetchall(); c.close()"


def test_a_journal_stays_where_its_file_was_looked_at_meanwhile(tmp_path: Path) -> None:
    """Without its locks, the next process to close the file would take itself for the last and remove the journal."""
    name = tmp_path / "a.sqlite3"
    with closing(sqlite3.connect(name, isolation_level=None)) as own:
        own.execute("PRAGMA journal_mode = WAL")
        own.execute("CREATE TABLE t (x)")
        own.execute("INSERT INTO t VALUES ('a secret')")
        found = dict(raw_bytes.below(tmp_path))
        assert b"a secret" in found[f"{name}-wal"]
        subprocess.run([sys.executable, "-c", ANOTHER, str(name)], check=True)
        assert Path(f"{name}-wal").exists()


def test_a_file_that_is_gone_is_none(tmp_path: Path) -> None:
    for name in ("a.sqlite3", "a.csv"):
        with pytest.raises(FileNotFoundError):
            raw_bytes.content(tmp_path / name)
