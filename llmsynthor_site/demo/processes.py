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

GRACE_SECONDS = 8


class Stopped(BaseException):
    """SIGTERM or Ctrl-C arrived; unwinds to where the children are stopped."""


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

    def web(self, port: int) -> None:
        self.start(
            "web", "-m", "gunicorn", "llmsynthor_site.wsgi", "--bind", f"127.0.0.1:{port}",
            "--workers", "2", "--threads", "4", "--timeout", "120",
        )  # fmt: skip
        self.wait_for(lambda: answers(port), "the web server")

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


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def free_port(wanted: int) -> int:
    """The wanted port, or the next one nobody listens on."""
    return next(port for port in range(wanted, wanted + 100) if not answers(port))
