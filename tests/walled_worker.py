"""The real Celery application with one task planted in it, which tries to leave: ``celery -A tests.walled_worker``."""

from __future__ import annotations

import json
import os
from pathlib import Path

from llmsynthor_site.celery import app


@app.task(name="tests.leave", queue="synthesise")
def leave(port: int) -> None:
    """Write down what became of every way out."""
    import socket
    import subprocess

    ways = {
        "connect": lambda: socket.socket().connect(("127.0.0.1", port)),
        "look up": lambda: socket.getaddrinfo("example.org", 443),
        "program": lambda: subprocess.run(["true"], check=True),
    }
    told = {}
    for name, way in ways.items():
        try:
            way()
            told[name] = "passed"
        except Exception as problem:
            told[name] = type(problem).__name__
    told["networks"] = ",".join(name for _, name in socket.if_nameindex())
    done = Path(os.environ["SITE_DIR"]) / "tried"
    done.with_suffix(".part").write_text(json.dumps(told))
    done.with_suffix(".part").replace(done)
