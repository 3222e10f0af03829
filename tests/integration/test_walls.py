"""The wall around the synthesis worker: a network of its own with Unix sockets alone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openai_server import OpenAIServer
from tests.sizes import Note

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = ["unshare", "--net"]
CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)"


def may_unshare() -> bool:
    return subprocess.run([*OUTSIDE, "true"], capture_output=True, check=False).returncode == 0


needs_unshare = pytest.mark.skipif(
    not may_unshare(), reason="THE WALL WAS NOT TESTED: this account may not make a network of its own (unshare --net)"
)


@contextlib.contextmanager
def running(environment: dict[str, str], *command: str) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        command, env=environment, cwd=ROOT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def wait_for(ready: Callable[[], Any], seconds: float = 120) -> Any:
    until = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)
    return found


def acts(environment: dict[str, str], *asked: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.door_site"], input="\n".join(map(json.dumps, asked)), env=environment,
        text=True, cwd=ROOT, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@needs_unshare
def test_a_process_in_a_network_of_its_own_reaches_nobody() -> None:
    """The wall itself: no rule inside the process takes part in it. Without it the same process gets through."""
    with OpenAIServer() as server:
        port = str(server.http.server_address[1])
        outside = subprocess.run([sys.executable, "-c", CONNECT, port], capture_output=True, check=False)
        behind = subprocess.run([*OUTSIDE, sys.executable, "-c", CONNECT, port], capture_output=True, check=False)
    assert outside.returncode == 0, "the planted connection must work, or stopping it proves nothing"
    assert behind.returncode != 0
    assert b"Network is unreachable" in behind.stderr


@needs_unshare
@pytest.mark.long_sizes
def test_a_whole_synthesis_behind_the_wall(tmp_path: Path, note: Note) -> None:
    """SQLite, a broker of files and the door's Unix socket: all that a synthesis needs, with no network at all."""
    environment = {**os.environ, "SITE_DIR": str(tmp_path / "site"), "RUST_BACKTRACE": "0"}
    environment.pop("DATABASE_URL", None)
    with OpenAIServer() as server:
        port = str(server.http.server_address[1])
        request = acts(environment, ["make", server.base_url], ["ready"], ["leave", port])[1]["request"]
        worker = ["celery", "-A", "tests.walled_worker", "worker", "-Q", "synthesise", "--concurrency", "1"]
        with (
            running(environment, sys.executable, "manage.py", "run_door"),
            running(environment, *OUTSIDE, sys.executable, "-m", *worker, "--loglevel", "CRITICAL"),
        ):
            state = wait_for(lambda: ended(tmp_path / "site", request))
            wait_for((tmp_path / "site" / "tried").exists)
    told = json.loads((tmp_path / "site" / "tried").read_text())
    assert state == "checking"
    assert server.bodies, "the language model was asked, through the door"
    assert set(told) == {"connect", "look up", "program", "networks"}
    assert [told[way] for way in ("connect", "look up", "program")] == ["Refused"] * 3, told
    assert told["networks"] == "lo"
    note("B2", "a whole synthesis in a network of its own", f"{len(server.bodies)} calls through the door's socket",
         "0 of 3 planted ways out", "0")  # fmt: skip


def ended(site: Path, request: str) -> str:
    """The state of the request once it is no longer worked on, read past the site's own code."""
    with contextlib.closing(sqlite3.connect(site / "site.sqlite3", timeout=30)) as database:
        key = request.replace("-", "")
        (state,) = database.execute("SELECT state FROM synthesis_synthesisrequest WHERE id = ?", [key]).fetchone()
    return "" if state == "synthesising" else str(state)
