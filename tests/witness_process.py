"""A real witness process, and how tests talk to it; run as a script it is a witness with a planted defect or death.

    python tests/witness_process.py DEATH ORDER OPTIONS-OF-AUDIT.WITNESS

DEATH: never, before_persist, after_persist, after_answer. ORDER: persist_first (honest), answer_first (the defect).
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NAME = "witness.example/w1"


@dataclass
class Running:
    process: subprocess.Popen[str]
    port: int
    public: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, body: bytes, path: str = "/add-checkpoint") -> tuple[int, str, str]:
        """Status, content type, body. OSError or HTTPException when the witness dies first."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            line.request("POST", path, body)
            reply = line.getresponse()
            return reply.status, reply.headers["Content-Type"], reply.read().decode()
        finally:
            line.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)


def started(folder: Path, *logs: object, command: tuple[str, ...] = ("-m", "audit.witness"), port: int = 0) -> Running:
    options = ["--folder", str(folder), "--name", NAME, "--port", str(port)]
    for log in logs:
        options += ["--log", str(log)]
    process = subprocess.Popen(
        [sys.executable, *command, *options], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    said = process.stdout.readline()
    if not said.startswith("witness "):
        raise RuntimeError(process.communicate(timeout=20)[1])
    _, public, _, url = said.split()
    return Running(process, int(url.rpartition(":")[2]), public)


@contextmanager
def board(folder: Path, log: object, settings: Any) -> Iterator[Running]:
    """A witness of this log, and settings of a site that asks it under the name "board"."""
    running = started(folder, log)
    settings.WITNESSES = {"board": {"url": running.url, "key": running.public}}
    yield running
    running.kill()


def planted(death: str, order: str) -> tuple[str, ...]:
    return (str(Path(__file__)), death, order)


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _plant(death: str, order: str) -> None:
    from audit import witness
    from audit.witness_book import Book

    keep, answer, late = Book.keep, witness.Caller._answer, []

    def keeping(book: Book, origin: str, note: bytes) -> None:
        if order == "answer_first":
            late.append((book, origin, note))
            return
        _die() if death == "before_persist" else None
        keep(book, origin, note)
        _die() if death == "after_persist" else None

    def answering(caller: Any, reply: Any) -> None:
        answer(caller, reply)
        caller.wfile.flush()
        _die() if death == "after_answer" else None
        while late:
            keep(*late.pop())

    Book.keep, witness.Caller._answer = keeping, answering


if __name__ == "__main__":
    _plant(*sys.argv[1:3])
    from audit.witness import main

    sys.exit(main(sys.argv[3:]))
