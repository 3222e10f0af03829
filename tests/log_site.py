"""Acts on a log of its own, in processes of their own: ``python -m tests.log_site`` with SITE_DIR and, for PostgreSQL,
LOG_DATABASE_URL set. One JSON list a line on standard input, one answer a line; a killed process leaves none.

``Site`` is the side of the test: it starts such processes, asks them, kills them.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOUND: dict[str, Any] = {"action": "test:thing:happened", "by": "user:ada", "subject": "thing:1"}


class Site:
    """One site folder and one log database; ``url`` is empty for SQLite."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder, self.url = folder, url
        self.ask("make")

    def start(self, **changes: str) -> subprocess.Popen[str]:
        kept = {key: value for key, value in os.environ.items() if not key.endswith("DATABASE_URL")}
        kept |= {"SITE_DIR": str(self.folder), "DJANGO_SETTINGS_MODULE": "llmsynthor_site.settings"}
        kept |= {"LOG_DATABASE_URL": self.url} if self.url else {}
        return subprocess.Popen(
            [sys.executable, "-m", "tests.log_site"], cwd=ROOT, env=kept | changes, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def ask(self, *act: Any, **changes: str) -> Any:
        """One act in a process of its own, waited for."""
        process = self.start(**changes)
        said, _ = process.communicate(json.dumps(act) + "\n")
        return json.loads(said.splitlines()[-1])


def tell(process: subprocess.Popen[str], *act: Any) -> None:
    process.stdin.write(json.dumps(act) + "\n")
    process.stdin.flush()


def heard(process: subprocess.Popen[str]) -> list[Any]:
    """Every whole line it has said, to its end."""
    lines = process.stdout.read().split("\n")[:-1]
    return [json.loads(line) for line in lines if line]


def make() -> str:
    from django.core.management import call_command

    from audit import keys

    for alias in ("default", "log"):
        call_command("migrate", database=alias, verbosity=0)
    keys.make()
    return "made"


def append(name: str, count: int, seconds: float = 0) -> Any:
    """Append ``count`` events one by one and say each number once it is acknowledged; refusals are tried again."""
    from django.db import connections

    from audit import log
    from audit.errors import LogUnavailable

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


def anchor() -> int:
    from audit import log

    signed = log.checkpoint()
    return signed.size if signed else 0


def read(seconds: float) -> Any:
    """Verify the log as it grows, again and again; how often, and everything that did not hold."""
    from audit import livecheck

    found, times, began = [], 0, time.monotonic()
    while not times or time.monotonic() - began < seconds:
        found += [f"{one.check}: {one.place}: {one.message}" for one in livecheck.check().found]
        times += 1
    return {"times": times, "found": found}


def check() -> Any:
    """The whole log: what does not hold, its size, and its events in their order."""
    from audit import livecheck
    from audit.errors import LogUnavailable
    from audit.models import LogEntry

    try:
        found = [f"{one.check}: {one.place}: {one.message}" for one in livecheck.check().found]
    except LogUnavailable as error:
        found = [str(error)]
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


ACTS = {"command": command, "make": make, "append": append, "anchor": anchor, "read": read, "check": check}


def main() -> None:
    import django

    django.setup()
    for line in sys.stdin:
        act, *arguments = json.loads(line)
        print(json.dumps(ACTS[act](*arguments)), flush=True)


if __name__ == "__main__":
    main()
