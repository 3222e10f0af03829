"""How one endpoint is spoken to: the fields a request sets, whether a form is demanded, how long a prompt may be.

Decided from what a probe found when gate B's manifest is drawn up, and frozen in it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LONGEST_ANSWER = 4_000
"""Tokens; five proposals take about a quarter of it."""
ANYTHING, UNKNOWN = 2**20, 24_000
"""Bytes of a request: where nothing limits it, and where nobody knows what the endpoint reads."""
FRAME = 200  # tokens that an endpoint puts around a prompt by itself
DENSITY = 150  # bytes in 100 tokens, where that was not measured
SAFE = 80  # per cent of the room that are used: labels may be denser than the codes that were measured


@dataclass(frozen=True, slots=True)
class Manner:
    """``parameters``: fields beside model and messages. ``form``: demand the answer's JSON schema. ``room``: bytes.

    Temperature and seed are never set: some models refuse them, and answers are recorded in any case.
    """

    parameters: Mapping[str, Any] = field(default_factory=lambda: {"max_completion_tokens": LONGEST_ANSWER})
    form: bool = True
    room: int = UNKNOWN

    def as_json(self) -> dict[str, Any]:
        return {"parameters": dict(self.parameters), "form": self.form, "room": self.room}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Manner:
        return cls(kept["parameters"], kept["form"], kept["room"])


EMBEDDED = Manner(room=ANYTHING)
EARLIER = Manner({"temperature": 1, "max_completion_tokens": LONGEST_ANSWER}, room=ANYTHING)
"""That of manifests drawn up before there were probes."""


def suited_to(found: Mapping[str, Any]) -> Manner:
    """The manner that an endpoint with these findings of a probe can take; the careful one without any."""
    if not found.get("answers"):
        return Manner()
    answer = min(LONGEST_ANSWER, found["output"] or LONGEST_ANSWER, (found["context"] or 3 * LONGEST_ANSWER) // 3)
    return Manner({found["limit"]: answer}, form=found["schema"] != "refused", room=_room(found, answer))


def _room(found: Mapping[str, Any], answer: int) -> int:
    """Bytes of a whole request that fit into the context beside the answer."""
    if not found["context"]:
        return int(found["fits"] or UNKNOWN)
    tokens = max(found["context"] - answer - FRAME, 0)
    return min(ANYTHING, tokens * (found["density"] or DENSITY) * SAFE // 10_000)
