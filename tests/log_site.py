"""Acts on a log of its own, in processes of their own: ``python -m tests.log_site`` with SITE_DIR and, for PostgreSQL,
LOG_DATABASE_URL set. One JSON list a line on standard input, one answer a line.

``Site`` is the side of the test: it asks one such process, which also forks workers that the test may kill.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).resolve().parent.parent
FOUND: dict[str, Any] = {"action": "test:thing:happened", "by": "user:ada", "subject": "thing:1"}


class Site:
    """One site folder and one log database; ``url`` is empty for SQLite."""

    state: ClassVar[bytes] = b""

    def __init__(self, folder: Path, url: str = "", *, made: bool = False) -> None:
        self.folder, self.url = folder, url
        self.waiting: subprocess.Popen[str] | None = None
        if not made:
            self._make()

    def _make(self) -> None:
        """The state's database is the same for all, and made once."""
        state = self.folder / "site.sqlite3"
        if Site.state:
            self.folder.mkdir(parents=True, exist_ok=True)
            state.write_bytes(Site.state)
        self.ask("make")
        if not Site.state:
            with contextlib.closing(sqlite3.connect(state)) as database:
                Site.state = database.serialize()

    def ask(self, *act: Any) -> Any:
        """One act, waited for; every act is asked of the same process."""
        self.waiting = self.waiting or self._started()
        self.waiting.stdin.write(json.dumps(act) + "\n")
        self.waiting.stdin.flush()
        lines = iter(self.waiting.stdout.readline, "")
        return next(said["answer"] for said in map(json.loads, lines) if "answer" in said)

    def start(self, name: str, *act: Any) -> Worker:
        """One act, begun in a process of its own."""
        path = self.folder / f"{name}.said"
        return Worker(self.ask("fork", str(path), act), path)

    def _started(self) -> subprocess.Popen[str]:
        kept = {key: value for key, value in os.environ.items() if not key.endswith("DATABASE_URL")}
        kept |= {"SITE_DIR": str(self.folder), "DJANGO_SETTINGS_MODULE": "llmsynthor_site.settings"}
        kept |= {"LOG_DATABASE_URL": self.url} if self.url else {}
        return subprocess.Popen(
            [sys.executable, "-m", "tests.log_site"], cwd=ROOT, env=kept, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def close(self) -> None:
        if self.waiting is not None:
            self.waiting.communicate()
            self.waiting = None


@dataclass(frozen=True)
class Worker:
    """A process that says what it does in a file, one JSON object a line."""

    pid: int
    path: Path

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def said(self) -> list[Any]:
        """Every whole line, once the process is gone; the last is the answer, of one that was not killed."""
        while Path(f"/proc/{self.pid}").exists():
            time.sleep(0.02)
        return [json.loads(line) for line in self.path.read_text().split("\n")[:-1]]

    def acknowledged(self) -> list[tuple[str, int]]:
        """The events that it was told are in the log, with their numbers."""
        return [tuple(line) for line in self.said() if isinstance(line, list)]


def make() -> str:
    from django.core.management import call_command

    from audit import keys

    for alias in ("default", "log"):
        call_command("migrate", database=alias, verbosity=0)
    keys.make()
    return "made"


def number_of_the_head() -> None:
    """Plant: the number that is told is read from the head, once the entry is there and others may have come."""
    from audit import log

    honest = log.append

    def append(**event: Any) -> int:
        honest(**event)
        time.sleep(0.02)  # on SQLite a writer may otherwise have its whole turn before anybody else
        return log.size() - 1

    log.append = append


def append(name: str, count: int, seconds: float = 0, planted: str = "") -> Any:
    """Append ``count`` events one by one and say each number once it is acknowledged; refusals are tried again."""
    from django.db import connections

    from audit import log
    from audit.errors import LogUnavailable

    if planted == "number of the head":
        number_of_the_head()
    until, at = time.monotonic() + seconds, 0
    while at < count:
        try:
            event = f"{name}-{at}"
            print(json.dumps([event, log.append(event_id=event, facts={"number": at}, **FOUND)]), flush=True)
            at += 1
        except LogUnavailable as error:
            connections.close_all()
            if time.monotonic() > until:
                return f"refused: {error}"
            time.sleep(0.05)
    return "done"


def anchor() -> int | str:
    """Anchor the log; its size, or why it would not."""
    from audit import log
    from audit.errors import LogUnavailable

    try:
        signed = log.checkpoint()
    except LogUnavailable as error:
        return f"refused: {error}"
    return signed.size if signed else 0


def findings() -> list[str]:
    """What does not hold in the log as it stands."""
    from audit import livecheck
    from audit.errors import LogUnavailable

    try:
        return [f"{one.check}: {one.place}: {one.message}" for one in livecheck.check().found]
    except LogUnavailable as error:
        return [str(error)]


def read(seconds: float) -> Any:
    """Verify the log as it grows, again and again; how often, and everything that did not hold."""
    found, times, began = [], 0, time.monotonic()
    while not times or time.monotonic() - began < seconds:
        found += findings()
        times += 1
    return {"times": times, "found": found}


def check() -> Any:
    """The whole log: what does not hold, and its events in their order."""
    from audit.models import LogEntry

    found = findings()
    return {"found": found, "events": list(LogEntry.objects.order_by("index").values_list("event_id", flat=True))}


def command(*arguments: str) -> str:
    """A management command; what it printed, or why it refused."""
    from django.core.management import CommandError, call_command

    said = io.StringIO()
    try:
        call_command(*arguments, stdout=said)
    except CommandError as error:
        return str(error)
    return said.getvalue()


def fork(path: str, act: list[Any]) -> int:
    """A child that carries one act out and says what it has to say in a file; its process number."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
        told(act)
        os._exit(0)
    return child


ACTS: dict[str, Any] = {
    "fork": fork,
    "command": command,
    "make": make,
    "append": append,
    "anchor": anchor,
    "read": read,
    "check": check,
}


def told(act: list[Any]) -> None:
    from django.db import connections

    print(json.dumps({"answer": ACTS[act[0]](*act[1:])}), flush=True)
    connections.close_all()


def main() -> None:
    import django

    django.setup()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    for line in sys.stdin:
        told(json.loads(line))


if __name__ == "__main__":
    main()
