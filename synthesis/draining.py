"""Whether this worker was asked to stop. Set in its parent process, seen by every process forked from it."""

from __future__ import annotations

from multiprocessing.sharedctypes import RawValue

_asked = RawValue("b", 0)


class Draining(Exception):
    """The worker stops: what it holds goes back to the queue, for another to take at once."""


def begin() -> None:
    _asked.value = 1


def end() -> None:
    _asked.value = 0


def check() -> None:
    """Draining, once the worker was asked to stop; called where work can be left without harm."""
    if _asked.value:
        raise Draining
