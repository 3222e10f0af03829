"""The test's side of tests.door_site: one such process, asked act by act."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Act = Callable[..., dict[str, Any]]
ROOT = Path(__file__).parents[1]


@contextmanager
def asking(folder: Path, **databases: str) -> Iterator[Act]:
    """Acts of one site, which forks its doors and workers; ``databases`` are settings such as LOG_DATABASE_URL."""
    environment = {**os.environ, **databases, "SITE_DIR": str(folder), "RUST_BACKTRACE": "0"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.door_site"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=environment, cwd=ROOT,
    ) as site:  # fmt: skip

        def do(*asked: object) -> dict[str, Any]:
            assert site.stdin is not None
            assert site.stdout is not None
            print(json.dumps([str(word) for word in asked]), file=site.stdin, flush=True)
            answer = site.stdout.readline()
            assert answer, f"the site ended in {asked}"
            return dict(json.loads(answer))

        do("make")
        yield do
        assert site.stdin is not None
        site.stdin.close()
