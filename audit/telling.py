"""What the offline commands print. Pure: the standard library alone."""

from __future__ import annotations

import os
import sys


def tell(text: str) -> None:
    """Print a text; a reader who has seen enough, as ``head`` has, is no error, and the exit code stays the verdict."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python flushes once more on its way out and would complain there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
