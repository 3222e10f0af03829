"""One door: whatever is planted elsewhere to reach the network or another program is seen, and is stopped (row B2)."""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.one_door import MAY, used, violations
from tests.sizes import Note

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("llmsynthor_site", "synthesis", "privacy", "audit")

# HOST and PORT of a server that must hear nothing, MARK a file that must not appear.
PLANTS = {
    "import": "import socket\nsocket.create_connection((HOST, PORT))",
    "hidden import": "__import__('socket').create_connection((HOST, PORT))",
    "import by name": "import importlib\nimportlib.import_module('so' + 'cket').create_connection((HOST, PORT))",
    "exec": "exec('import so' + 'cket as s; s.create_connection((HOST, PORT))')",
    "eval": 'eval("__imp" + "ort__(\'socket\')").create_connection((HOST, PORT))',
    "the core of socket": "import _socket\n_socket.socket(2, 1).connect((HOST, PORT))",
    "urllib": "import urllib.request\nurllib.request.urlopen(f'http://{HOST}:{PORT}/', timeout=5)",
    "http": "from http.client import HTTPConnection\nHTTPConnection(HOST, PORT, timeout=5).request('GET', '/')",
    "httpx2": "import httpx2\nhttpx2.get(f'http://{HOST}:{PORT}/', trust_env=False)",
    "subprocess": "import subprocess\nsubprocess.run(['touch', MARK], check=True)",
    "system": "from os import system\nsystem(f'touch {MARK}')",
    "ctypes": "import ctypes\nctypes.CDLL(None).system(f'touch {MARK}'.encode())",
}
CHILD = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import logging
from llmsynthor_site import guard
logging.disable(logging.CRITICAL)
HOST, PORT, walled, plants = "127.0.0.1", int(sys.argv[2]), sys.argv[3] == "walled", json.loads(sys.stdin.read())
if walled:
    guard.install(guard.Reach(frozenset({sys.argv[4]}), frozenset()))
told = {}
for name, source in plants.items():
    MARK = os.path.join(sys.argv[5], name.replace(" ", "-"))
    try:
        exec(compile(source, name, "exec"), {"HOST": HOST, "PORT": PORT, "MARK": MARK})
        told[name] = "passed"
    except Exception as problem:
        told[name] = type(problem).__name__
import socket
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[4])
told["the door"] = "passed"
print(json.dumps(told))
"""


def test_nothing_but_the_door_reaches_out() -> None:
    assert violations(ROOT, ROOMS) == []


def test_every_file_that_may_still_needs_to() -> None:
    for place, names in MAY.items():
        assert names <= set(used((ROOT / place).read_text())), f"{place} no longer uses what it may"


@pytest.mark.parametrize("plant", PLANTS)
def test_a_plant_is_seen_in_the_source(plant: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "synthesis" / "loop", tmp_path / "synthesis" / "loop")
    target = tmp_path / "synthesis" / "loop" / "loop.py"
    target.write_text(target.read_text() + f"\n\ndef planted() -> None:\n    {PLANTS[plant].replace(chr(10), '; ')}\n")
    assert [found for found in violations(tmp_path, ("synthesis",)) if found.startswith("synthesis/loop/loop.py")]


@pytest.mark.parametrize(
    "source",
    ["from urllib.parse import urlsplit", "import re\nre.compile('a')", "x = {'eval_': 1}", "import os\nos.getpid()"],
)
def test_what_reaches_nothing_is_let_be(source: str) -> None:
    assert list(used(source)) == []


@pytest.fixture
def heard() -> Iterator[Any]:
    """A server that counts who came."""

    class Server(http.server.ThreadingHTTPServer):
        visits = 0

        def verify_request(self, request: Any, client_address: Any) -> bool:
            self.visits += 1
            return True

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing on the terminal of the tests."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def tried(wall: str, server: Any, folder: Path) -> dict[str, str]:
    """What became of every plant in one real process, behind the wall or not; the door itself can be reached."""
    door = str(folder / "door.sock")
    marks = folder / wall
    marks.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(door)
        listening.listen()
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(ROOT), str(server.server_port), wall, door, str(marks)],
            input=json.dumps(PLANTS), capture_output=True, text=True, check=False, cwd=folder,
        )  # fmt: skip
    Path(door).unlink()
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


@pytest.mark.long_sizes
def test_every_plant_is_stopped_in_a_real_process(heard: Any, tmp_path: Path, note: Note) -> None:
    """Behind the audit hook nothing arrives and nothing starts; without it, all twelve get through."""
    told = tried("walled", heard, tmp_path)
    through = sorted(name for name, ended in told.items() if ended == "passed")
    assert through == ["the door"], f"only the door may be reached: {told}"
    assert (heard.visits, list((tmp_path / "walled").iterdir())) == (0, [])
    note("B2", "planted imports, sockets and programs", f"{len(PLANTS)} plants", "0 got through", "0")
    open_ = tried("open", heard, tmp_path)
    assert set(open_.values()) == {"passed"}, "the plants must work, or stopping them proves nothing"
    until = time.monotonic() + 10
    while heard.visits < 9 and time.monotonic() < until:
        time.sleep(0.05)
    assert (heard.visits, len(list((tmp_path / "open").iterdir()))) == (9, 3)
    note("B2", "control: no audit hook", f"{len(PLANTS)} plants", f"{len(PLANTS)} got through", "caught: above 0")
