"""Processes that are started again when they end by themselves, as containers are that restart unless stopped."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from django.conf import settings

from llmsynthor_site.demo.processes import PortTaken, Processes
from llmsynthor_site.native.members import MEMBERS, WORKERS, worker

log = logging.getLogger(__name__)
RESTARTS, WITHIN_SECONDS = 5, 60.0
"""A process that ends more often than this within so many seconds is broken, and so is the site."""


class Kept(Processes):
    """The members of a site under their names, each followed by a number where it is one of several."""

    def __init__(self) -> None:
        super().__init__()
        self.members: dict[str, tuple[tuple[str, ...], Any]] = {}
        self.restarted: dict[str, list[float]] = {}

    def keep(self, name: str, *arguments: str) -> None:
        self.members[name] = (arguments, self.start(name, *arguments))

    def check(self) -> None:
        """Start again what ended by itself; RuntimeError for what never stays, and for what is not kept."""
        for name, (arguments, child) in list(self.members.items()):
            if child.poll() is None:
                continue
            self.children.remove(child)
            self.count(name)
            log.warning("%s ended with status %s and is started again", name, child.returncode)
            self.members[name] = (arguments, self.start(name, *arguments))
        super().check()

    def count(self, name: str) -> None:
        now = time.monotonic()
        recent = [one for one in self.restarted.get(name, []) if now - one < WITHIN_SECONDS]
        self.restarted[name] = [*recent, now]
        if len(recent) >= RESTARTS:
            raise RuntimeError(f"{name} does not stay up; see {settings.SITE_DIR}/logs/{name}.log")

    def door(self) -> None:
        self.keep("door", *MEMBERS["door"])
        self.wait_for(settings.DOOR_SOCKET.exists, "the door")

    def workers(self, numbers: dict[str, int]) -> None:
        """So many workers of each queue; one of each that is not named. And the one clock of the site."""
        for name in WORKERS:
            for number in range(1, numbers.get(name, 1) + 1):
                self.keep(f"{name}{number}", *MEMBERS[name], "-n", f"{name}{number}@%h")
        self.keep_beat()

    def keep_worker(self, name: str, queues: str) -> None:
        """One more worker, of these queues."""
        self.keep(name, *worker(queues), "-n", f"{name}@%h")

    def keep_beat(self) -> None:
        self.keep("beat", *MEMBERS["beat"])

    def web(self, wanted: int) -> int:
        """Serve at the wanted port or the next free one, and at that one again after an end; which."""
        port, child = self.at_port(wanted, "web", *MEMBERS["web"])
        self.members["web"] = ((*MEMBERS["web"], "--bind", f"127.0.0.1:{port}"), child)
        return port

    def witness(self, folder: Path) -> dict[str, dict[str, str]]:
        """A witness of this site's log; WITNESSES, by which the other processes know it."""
        self.start(
            "witness", "-m", "audit.witness", "--folder", str(folder), "--name", "witness.example/w1", "--port", "0",
            "--log", str(Path(settings.SITE_DIR) / "keys" / "log.pub"),
        )  # fmt: skip
        told = Path(settings.SITE_DIR) / "logs" / "witness.log"
        self.wait_for(lambda: told.read_text().startswith("witness ") and "\n" in told.read_text(), "the witness")
        _, key, _, url = told.read_text().splitlines()[0].split()
        return {"native": {"url": url, "key": key}}

    def redis(self, port: int) -> None:
        """A broker that keeps nothing: a lost message costs time alone, since the database row is the job.

        PortTaken where another program has the port.
        """
        child = self.program(
            "redis", "redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no",
            "--dir", str(settings.SITE_DIR),
        )  # fmt: skip
        if not self.stays(child, "redis", "Ready to accept connections"):
            raise PortTaken(f"Redis could not listen at port {port}; see {settings.SITE_DIR}/logs/redis.log")
