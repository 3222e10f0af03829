"""The proposer that only repeats: it answers a request with what was answered to the very same bytes before.

Nothing is sent, so a run can be rebuilt from its record by anybody who holds the record.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping

from synthesis.llm.base import Completion, ProviderError
from synthesis.llm.replies import usage_of


class RecordedProvider:
    """``answers``: chat completions by the SHA-256 (hex) of the request's bytes."""

    def __init__(self, answers: Mapping[str, bytes]) -> None:
        self.answers = dict(answers)

    @classmethod
    def of(cls, exchanges: Iterable[tuple[bytes, bytes]]) -> RecordedProvider:
        """From (request, answer) pairs; of several answers to one request the first counts, as it did for the run."""
        found: dict[str, bytes] = {}
        for request, answer in exchanges:
            found.setdefault(hashlib.sha256(request).hexdigest(), answer)
        return cls(found)

    def complete(self, body: bytes) -> Completion:
        """Raises ProviderError where no answer to exactly these bytes was recorded."""
        began = time.monotonic()
        answer = self.answers.get(hashlib.sha256(body).hexdigest())
        if answer is None:
            raise ProviderError("no answer to this request was recorded")
        return Completion(answer, usage_of(answer), time.monotonic() - began)
