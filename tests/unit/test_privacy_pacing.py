"""The tick follows from what was declared alone, is kept to the second, and nothing traces a failing step."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from privacy import pacing
from privacy.values import Domain

DOMAIN = Domain(("a", "b", "c"), (2, 10, 1000))
PACE = pacing.Pace(base_seconds=3, nanoseconds_per_row=100, microseconds_per_cell=10)
REAL_WAIT = pacing.Tick.wait


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


def test_the_tick_counts_every_declared_row_table_and_cell() -> None:
    cells = 2 * (2 + 10 + 1000) + 20 + 2000 + 4096  # columns twice; the largest pair is never measured whole
    expected = 3 + 9 * 10**6 * 100e-9 + cells * 10e-6
    assert pacing.tick(DOMAIN, rows=10**6, largest=4096, pace=PACE) == pytest.approx(expected)


@pytest.mark.parametrize("work", [0.0, 0.5, 9.99])
def test_whatever_the_work_took_the_wait_ends_at_the_same_moment(work: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, beats = Clock(), list[int]()
    monkeypatch.setattr(pacing, "sleep", clock.pass_by)
    tick = pacing.Tick(10, now=clock)
    clock.pass_by(work)
    assert not tick.overrun
    REAL_WAIT(tick, lambda: beats.append(1))
    assert clock.now == pytest.approx(110)
    assert beats, "whoever holds a lease is told that the worker lives"


def test_an_overrun_is_known_and_waits_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(pacing, "sleep", lambda _: pytest.fail("waited after the tick"))
    tick = pacing.Tick(10, now=clock)
    clock.pass_by(10.1)
    assert tick.overrun
    REAL_WAIT(tick, lambda: None)


@pytest.mark.parametrize("given", [None, "1", "full"])
def test_opendp_never_traces_its_failed_steps(given: str | None) -> None:
    """A process that sets nothing, or asks for traces, has them off before OpenDP is loaded."""
    environment = {name: value for name, value in os.environ.items() if name != "RUST_BACKTRACE"}
    if given is not None:
        environment["RUST_BACKTRACE"] = given
    code = (
        "import os, sys, builtins\n"
        "seen = []\n"
        "real = builtins.__import__\n"
        "def watched(name, *rest, **more):\n"
        "    if name.split('.')[0] == 'opendp' and not seen: seen.append(os.environ.get('RUST_BACKTRACE'))\n"
        "    return real(name, *rest, **more)\n"
        "builtins.__import__ = watched\n"
        "from privacy.dp import opendp_door\n"
        "try:\n"
        "    opendp_door.dp.m.make_gaussian(opendp_door.dp.vector_domain(opendp_door.dp.atom_domain(T='i64')),"
        " opendp_door.dp.l2_distance(T=float), scale=-1.)\n"
        "except Exception as problem:\n"
        "    traced = 'opendp::' in str(problem) or 'stack backtrace' in str(problem)\n"
        "    print(seen, os.environ['RUST_BACKTRACE'], traced)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "['0'] 0 False"
