"""The door's own count: one line before a prompt leaves, one when its answer is there, in a file of its own.

Written by the door alone, beside the databases, so that neither the log nor the state can vouch for itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

FILE = "calls.jsonl"


@dataclass(slots=True)
class Counted:
    """One intent as the door counted it. ``usage`` is None until an answer came."""

    intent: str
    times: int = 0
    endpoint: str = ""
    sha256: str = ""
    at: datetime | None = None
    usage: dict[str, int] | None = None
    lines: list[int] = field(default_factory=list)


def path() -> Path:
    return Path(settings.SITE_DIR) / "door" / FILE


def count(intent: str, endpoint: str, body: bytes) -> None:
    """Note, on the disk, that these bytes are about to leave. Raises OSError: then nothing may leave."""
    at = timezone.now().isoformat(timespec="seconds")
    line = {"intent": intent, "endpoint": endpoint, "sha256": sha256(body).hexdigest(), "at": at}
    _append(line, durable=True)


def answered(intent: str, usage: Mapping[str, int]) -> None:
    """Note what the endpoint reported; the call itself was counted before."""
    _append({"intent": intent, "usage": dict(usage)}, durable=False)


def read() -> dict[str, Counted]:
    """Everything counted, by intent. A line that cannot be read counts under '?', so that it is found."""
    found: dict[str, Counted] = {}
    for number, line in enumerate(_lines(), 1):
        told = _parsed(line)
        one = found.setdefault(told["intent"], Counted(told["intent"]))
        one.lines.append(number)
        if "usage" in told:
            one.usage = told["usage"]
        else:
            one.times += 1
            one.endpoint, one.sha256 = told.get("endpoint", ""), told.get("sha256", "")
            one.at = datetime.fromisoformat(told["at"]) if "at" in told else None
    return found


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
        if isinstance(told, dict) and isinstance(told["intent"], str):
            return told
    except (ValueError, KeyError):
        pass
    return {"intent": "?"}


def _lines() -> list[bytes]:
    return path().read_bytes().splitlines() if path().exists() else []


def _append(line: Mapping[str, Any], *, durable: bool) -> None:
    """One write of one whole line, so that threads of the door never mix theirs."""
    path().parent.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(path(), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, json.dumps(line).encode() + b"\n")
        if durable:
            os.fdatasync(handle)
    finally:
        os.close(handle)
