"""Takes an upload in: streams it, under its limits, into a process that reads it and seals what it read.

The web process has no key to read back what was sealed. While a browser is still sending, the file is spooled
sealed to a key in that process's memory, in a file without a name (llmsynthor_site/uploads.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any
from uuid import UUID

from django.conf import settings

from privacy import places, sealing
from privacy.bundles import Bundle
from privacy.ingest import Order
from privacy.laying_out import Told
from privacy.problems import Problem, UploadRefused
from privacy.schema import Schema
from privacy.tables import Limits

CHUNK = 2**20
ONE_FILE = "the declaration is of one table, so one file is expected"
STOPPED = "the file could not be read within the limits of one upload (time or memory)"


@dataclass(frozen=True, slots=True)
class Received:
    """What is known of an accepted file. None of it is for researchers."""

    rows_read: int
    rows_kept: int
    size_bytes: int
    fingerprint: str
    tables: list[Told] = field(default_factory=list)
    closed: int | None = None


def receive(*, stream: IO[bytes], schema: Schema, version: UUID) -> Received:
    """Read, check, code and seal one file. UploadRefused with every problem found; nothing is kept then."""
    if isinstance(getattr(stream, "raw", None), Bundle) and schema.related is None:
        raise UploadRefused([Problem("", ONE_FILE)])
    order = _order(schema, version)
    with _reader() as process:
        feeder = _Feeder(process, order, stream)
        with _alarm(process, seconds=order.seconds):
            size = feeder.feed()
            answer = _answer(process)
    if size is None:
        places.discard(version)
        limit = settings.LIMITS["upload_bytes"]
        raise UploadRefused([Problem("", f"the file is larger than {limit} bytes")])
    if answer is None:
        places.discard(version)
        raise UploadRefused([Problem("", STOPPED)])
    if "problems" in answer:
        raise UploadRefused([Problem(**problem) for problem in answer["problems"]])
    return Received(size_bytes=size, **answer)


def discard(version: UUID) -> None:
    """Remove the sealed codes of a version that was not kept after all."""
    places.discard(version)


def _order(schema: Schema, version: UUID) -> Order:
    sealing.public_key(places.vault_public_key())  # says what is missing before anything is read
    for folder in (places.sealed(version).parent, places.wrapped_keys()):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    limits = settings.LIMITS
    rows = min(limits["upload_rows"], schema.maximum_rows or limits["upload_rows"])
    return Order(
        schema=schema.text,
        context=str(version),
        limits=Limits(
            rows=rows,
            columns=limits["upload_columns"],
            cell_chars=limits["cell_chars"],
        ),
        seconds=limits["ingest_seconds"],
        memory_bytes=limits["ingest_memory_bytes"],
        public_key=str(places.vault_public_key()),
        fingerprint_key=str(places.fingerprint_key()),
        wrapped_key=str(places.wrapped_key(version)),
        out=str(places.sealed(version)),
    )


class _Feeder:
    """Pours the order and the stream into the process, counting bytes."""

    def __init__(self, process: subprocess.Popen[bytes], order: Order, stream: IO[bytes]) -> None:
        self._process, self._order, self._stream = process, order, stream

    def feed(self) -> int | None:
        """How many bytes the file had, or None once it is over its limit (the process is then ended)."""
        size = 0
        assert self._process.stdin is not None
        # A refusal ends the process early; its answer, not the broken pipe, says why.
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(self._order.to_json().encode() + b"\n")
            while chunk := self._stream.read(CHUNK):
                size += len(chunk)
                if size > settings.LIMITS["upload_bytes"]:
                    self._process.kill()
                    return None
                pipe.write(chunk)
        return size


@contextlib.contextmanager
def _reader() -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "privacy.ingest"]
    process = subprocess.Popen(  # nosec B603  # this code, no shell
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # whatever a library prints could quote a cell
        cwd=settings.BASE_DIR,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


@contextlib.contextmanager
def _alarm(process: subprocess.Popen[bytes], *, seconds: int) -> Iterator[None]:
    """End the process when the wall clock says so, whoever is waiting for whom."""
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _answer(process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    """What the process said, or None when it ended without a word."""
    assert process.stdout is not None
    text = process.stdout.read()
    if process.wait() != 0:
        return None
    answer: dict[str, Any] = json.loads(text)
    return answer
