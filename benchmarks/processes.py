"""Run a command in a process of its own: how long it computed, how much memory it held, what it said last."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
LOOK = 0.05
"""Seconds between looks at the process: a spike of memory is seen, because the kernel remembers the highest."""


@dataclass(frozen=True)
class Done:
    """``said``: the JSON object of the last line. ``failure``: why there is none, or nothing."""

    seconds: float
    cpu_seconds: float
    peak_mib: int
    said: dict[str, Any]
    failure: str = ""


def run(command: Sequence[str], *, seconds: float) -> Done:
    """Run it from the project's folder; after ``seconds``, or when we are stopped, it and what it started are too."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors, _ended_by_signal():
        child = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=errors, start_new_session=True
        )
        try:
            status, cpu, peak = _watch(child.pid, until=began + seconds)
        except BaseException:
            _stop(child.pid)
            raise
        child.returncode = status  # waited for by us: Popen must not wait again
        taken = time.monotonic() - began
        found, failure = _verdict(status, said, errors, seconds=seconds, taken=taken)
    return Done(round(taken, 2), round(cpu, 2), peak, found, failure)


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Within it SIGTERM raises SystemExit, so that what was started is stopped as well."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch(pid: int, *, until: float) -> tuple[int, float, int]:
    """Exit status, CPU seconds of it and of what it waited for, and its highest memory in MiB."""
    peak = 0
    while True:
        peak = max(peak, _highest(pid))
        done, status, used = os.wait4(pid, os.WNOHANG)
        if not done and time.monotonic() > until:
            _stop(pid)
            done, status, used = os.wait4(pid, 0)
        if done:
            return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, peak
        time.sleep(LOOK)


def _highest(pid: int) -> int:
    """MiB at the highest so far; unlike ``ru_maxrss`` nothing of the process that started it. 0 once it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) // 1024
    return 0


def _stop(pid: int) -> None:
    """The process and its own group: it was started as the leader of a new session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _verdict(
    status: int, said: IO[str], errors: IO[str], *, seconds: float, taken: float
) -> tuple[dict[str, Any], str]:
    if status == -signal.SIGKILL and taken >= seconds:
        return {}, f"no result in {seconds:g} s"
    if status:
        return {}, _raised(errors)[:300] or f"ended with status {status}"
    try:
        found = json.loads(_last(said))
    except ValueError:
        return {}, "its last line is no JSON object"
    return (found, "") if isinstance(found, dict) else ({}, "its last line is no JSON object")


def _raised(errors: IO[str]) -> str:
    """The line that names the error, where a traceback ends in a message of several; else the last line."""
    errors.seek(0)
    named = [line.strip() for line in errors if re.match(r"[A-Za-z_][\w.]*(Error|Exception|Exit)\b", line)]
    return named[-1] if named else _last(errors)


def _last(stream: IO[str]) -> str:
    stream.seek(0)
    lines = [line.strip() for line in stream if line.strip()]
    return lines[-1] if lines else ""
