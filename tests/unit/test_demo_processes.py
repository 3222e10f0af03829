"""The demonstration's supervisor: a signal is never lost, wherever the program was when it came."""

from __future__ import annotations

import os
import signal
import weakref
from collections.abc import Iterator

import pytest

from llmsynthor_site.demo.processes import Processes, Stopped

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """This test run's own handlers, put back."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


class Thing:
    """Something that can be finalised."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_inside_a_finalizer_is_raised_at_the_next_check(number: signal.Signals) -> None:
    def finalise() -> None:
        os.kill(os.getpid(), number)
        sum(range(10_000))  # the handler runs between two steps of the interpreter, still inside the finalizer

    with pytest.raises(Stopped), Processes() as processes:
        thing = Thing()
        weakref.finalize(thing, finalise)
        del thing  # Python prints and drops what the handler raises here
        assert processes.stopping
        processes.check()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_elsewhere_unwinds_at_once(number: signal.Signals) -> None:
    with pytest.raises(Stopped), Processes():
        os.kill(os.getpid(), number)
        raise AssertionError("went on after the signal")
