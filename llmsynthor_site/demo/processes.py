"""The other processes of a small site: worker, door and web server, started together and stopped together."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import IO, Self

from django.conf import settings

WEB = ("-m", "gunicorn", "llmsynthor_site.wsgi", "--workers", "2", "--threads", "4", "--timeout", "120")
GRACE_SECONDS = 8
TRIES = 5
"""Ports that a server is started at, one after the other, while other programs take them first."""


class Stopped(BaseException):
    """SIGTERM or Ctrl-C arrived; unwinds to where the children are stopped."""


class PortTaken(RuntimeError):
    """Another program took the port before this site's server listened there."""


class Processes:
    """Children in process groups of their own; leaving the context ends every one of them."""

    def __init__(self) -> None:
        self.children: list[subprocess.Popen[bytes]] = []
        self.logs: list[IO[bytes]] = []
        self.stopping = False

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.on_signal)
        return self

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True  # Python drops what is raised inside a finalizer; ``check`` then raises it again
        raise Stopped

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half of them running
        self.stop()

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ``python arguments...``; its output goes to a file in the site's folder."""
        return self.program(name, sys.executable, *arguments)

    def program(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        folder = Path(settings.SITE_DIR) / "logs"
        folder.mkdir(exist_ok=True)
        log = (folder / f"{name}.log").open("ab")
        child = subprocess.Popen(  # nosec B603  # commands of this code, no shell
            command,
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True, cwd=settings.BASE_DIR,
        )  # fmt: skip
        self.children.append(child)
        self.logs.append(log)
        return child

    def worker(self) -> None:
        self.start(
            "worker", "-m", "celery", "-A", "llmsynthor_site", "worker", "-B",
            "-Q", "measure,synthesise,mail,witness", "--concurrency", "2", "--loglevel", "WARNING",
        )  # fmt: skip

    def door(self) -> None:
        self.start("door", "manage.py", "run_door")
        self.wait_for(settings.DOOR_SOCKET.exists, "the door")

    def web(self, wanted: int) -> int:
        """Serve at the wanted port or the next free one; which."""
        port, _ = self.at_port(wanted, "web", *WEB)
        return port

    def at_port(self, wanted: int, name: str, *arguments: str) -> tuple[int, subprocess.Popen[bytes]]:
        """Start a web server at the wanted port or the next free one, and wait until it listens; where, and it.

        Another program may take a port after it was looked at: the server ends then, and the next one is tried.
        """
        for _ in range(TRIES):
            port = free_port(wanted)
            child = self.start(name, *arguments, "--bind", f"127.0.0.1:{port}")
            if self.stays(child, name, f"Listening at: http://127.0.0.1:{port} "):
                return port, child
            wanted = port + 1
        raise PortTaken(f"{name} found no port in {TRIES} tries; see {settings.SITE_DIR}/logs")

    def stays(self, child: subprocess.Popen[bytes], name: str, words: str) -> bool:
        """Wait until a child says in its log that it is ready; False where it ended before, and is forgotten.

        Its own words, for somebody else may answer where it wanted to listen.
        """
        told = Path(settings.SITE_DIR) / "logs" / f"{name}.log"
        try:
            self.wait_for(lambda: words in told.read_text(errors="replace"), name)
        except RuntimeError:
            if child.poll() is None:
                raise
            self.children.remove(child)
            return False
        return True

    def wait_for(self, ready: Callable[[], bool], what: str, seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > until:
                raise RuntimeError(f"{what} did not start within {seconds:.0f} s; see {settings.SITE_DIR}/logs")
            time.sleep(0.1)

    def check(self) -> None:
        """Raise when a signal arrived, or when a child ended by itself."""
        if self.stopping:
            raise Stopped
        for child in self.children:
            if child.poll() is not None:
                raise RuntimeError(f"a process of the site ended unexpectedly; see {settings.SITE_DIR}/logs")

    def stop(self) -> None:
        """Ask each child to end, which ends its own children in order; after a grace period end what is left."""
        for child in self.children:
            child.terminate()
        until = time.monotonic() + GRACE_SECONDS
        for child in self.children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.1, until - time.monotonic()))
        for child in self.children:
            signal_group(child, signal.SIGKILL)
            child.wait()
        for log in self.logs:
            log.close()
        self.children, self.logs = [], []


def signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a child and everything it started, whether or not the child itself is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def free_port(wanted: int) -> int:
    """The wanted port, or the next one that can be had now; PortTaken where none of a hundred can."""
    found = next((port for port in range(wanted, wanted + 100) if can_be_had(port)), None)
    if found is None:
        raise PortTaken(f"no port from {wanted} to {wanted + 99} is free")
    return found


def can_be_had(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: one that just ended is over
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
