"""Is the process of this container alive? Its web server answers 200, or its Unix socket takes a connection."""

from __future__ import annotations

import socket
import sys
import urllib.request


def alive(where: str) -> bool:
    try:
        if where.startswith("http"):
            with urllib.request.urlopen(where, timeout=4) as answer:  # noqa: S310  # nosec B310  # its own
                return int(answer.status) == 200
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(4)
            line.connect(where)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(0 if alive(sys.argv[1]) else 1)
