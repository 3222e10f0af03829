"""Which checkpoints did others put their names to, and when? Cosignatures, and timestamps where they can be read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from audit import timestamps
from audit.archive import Archive
from audit.cosignatures import WitnessKey, newest
from audit.findings import Findings
from audit.leaves import time_text
from audit.notes import NoteError

AHEAD_SECONDS = 300
"""How far a witness's clock may stand before this machine's."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """What one witness vouches for: (size, UTC time) of each checkpoint, and the newest one's age in seconds."""

    witness: str
    checkpoints: tuple[tuple[int, str], ...]
    age_seconds: int | None

    @property
    def line(self) -> str:
        if not self.checkpoints:
            return f"{self.witness}: none"
        size, moment = self.checkpoints[-1]
        hours = (self.age_seconds or 0) // 3600
        return f"{self.witness}: {len(self.checkpoints)}, the newest of {size} entries at {moment}, {hours} hours ago"


def check(archive: Archive, witnesses: Sequence[WitnessKey], findings: Findings) -> list[Vouched]:
    """Every cosignature by these witnesses; each of them must have signed the newest checkpoint."""
    vouched = []
    last = max(archive.checkpoints, default=0)
    for key in witnesses:
        times = _times(archive, key, findings)
        message = f"did not cosign the newest checkpoint, of {last} entries"
        findings.expect(last in times, "witnesses", key.name, message)
        findings.counts["cosignatures"] += len(times)
        vouched.append(_vouched(key.name, times))
    return vouched


def _times(archive: Archive, key: WitnessKey, findings: Findings) -> dict[int, int]:
    times = {}
    latest = time.time() + AHEAD_SECONDS
    for size, signatures in sorted(archive.signatures.items()):
        place = f"checkpoint at {size}"
        try:
            moment = newest(archive.checkpoints[size].text(), signatures, key)
        except NoteError as error:
            findings.broken("witnesses", place, str(error))
            continue
        if moment is not None and findings.expect(moment <= latest, "witnesses", place, f"{key.name} dates it ahead"):
            times[size] = moment
    return times


def check_stamps(archive: Archive, authority: bytes | None, findings: Findings) -> tuple[str, list[Vouched]]:
    """Why timestamps were not checked, if they were not; and what they vouch for."""
    if not archive.stamps and authority is None:
        return "", []
    if authority is None:
        return "not checked: no --timestamp-ca was given", []
    if not timestamps.available():
        return "not checked: the package rfc3161-client is not installed", []
    found: dict[str, dict[int, int]] = {}
    for stamp in archive.stamps:
        place = f"{stamp.witness} at {stamp.size}"
        if not findings.expect(stamp.size in archive.checkpoints, "timestamps", place, "there is no such checkpoint"):
            continue
        try:
            moment = timestamps.verified(stamp.data, archive.checkpoints[stamp.size].text().encode(), authority)
        except timestamps.TimestampError as error:
            findings.broken("timestamps", place, str(error))
            continue
        found.setdefault(stamp.witness, {})[stamp.size] = int(moment.timestamp())
    findings.counts["timestamps"] = sum(map(len, found.values()))
    return "", [_vouched(name, times) for name, times in sorted(found.items())]


def _vouched(name: str, times: dict[int, int]) -> Vouched:
    listed = tuple((size, time_text(datetime.fromtimestamp(times[size], UTC))) for size in sorted(times))
    age = int(time.time()) - times[listed[-1][0]] if listed else None
    return Vouched(name, listed, age)
