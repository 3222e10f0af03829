"""Whether this worker was asked to stop. Set in its parent process, seen by every process forked from it."""

from __future__ import annotations

import mmap

_asked = mmap.mmap(-1, 1)  # a page of memory that forked processes share


class Draining(Exception):
    """The worker stops: what it holds goes back to the queue, for another to take at once."""


def begin() -> None:
    _asked[0] = 1


def end() -> None:
    _asked[0] = 0


def check() -> None:
    """Draining, once the worker was asked to stop; called where work can be left without harm."""
    if _asked[0]:
        raise Draining
