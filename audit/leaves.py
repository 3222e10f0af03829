"""What one entry of the log looks like, as bytes. Pure, so that the verifier reads exactly what was written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from audit import canonical

TIME = "%Y-%m-%dT%H:%M:%SZ"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_KEYS = {"version", "index", "time", "event", "action", "by", "subject", "facts"}


class LeafError(ValueError):
    """Bytes that are not one well-formed entry."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry. Times are whole seconds: finer ones would tell how long the exact stage took."""

    index: int
    time: str
    event: str
    action: str
    by: str
    subject: str
    facts: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        return canonical.dumps(
            {
                "version": 1,
                "index": self.index,
                "time": self.time,
                "event": self.event,
                "action": self.action,
                "by": self.by,
                "subject": self.subject,
                "facts": self.facts,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Leaf:
        """Read one entry, strictly; raises LeafError."""
        try:
            found = canonical.loads(data)
        except canonical.CanonicalError as error:
            raise LeafError(str(error)) from error
        if not isinstance(found, dict) or set(found) != _KEYS or found.pop("version") != 1:
            raise LeafError("not an entry of this version")
        leaf = cls(**found)
        leaf._check_types()
        return leaf

    def _check_types(self) -> None:
        texts = (self.time, self.event, self.action, self.by, self.subject)
        if type(self.index) is not int or not all(isinstance(text, str) for text in texts):
            raise LeafError("a field has the wrong type")
        if not isinstance(self.facts, dict) or not _TIME.fullmatch(self.time):
            raise LeafError("facts are an object, and the time is UTC in whole seconds")


def time_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(TIME)


def time_of(text: str) -> datetime:
    return datetime.strptime(text, TIME).replace(tzinfo=UTC)
