"""What is wrong with a declaration or a file, as the people who must repair it read it.

A problem names the column and the rule that was broken, how often and where first; never a cell's value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from privacy.errors import PrivacyError


@dataclass(frozen=True, slots=True)
class Problem:
    """``column`` is a declared name, or empty for the whole; ``line`` and ``count`` are 0 when they mean nothing."""

    column: str
    rule: str
    line: int = 0
    count: int = 0

    def __str__(self) -> str:
        where = f"column {self.column}: " if self.column else ""
        return f"{where}{self.rule}{self._found()}"

    def _found(self) -> str:
        if not self.line:
            return ""
        return f" (line {self.line})" if self.count <= 1 else f" ({self.count} times, first in line {self.line})"

    def to_json(self) -> dict[str, Any]:
        return {"column": self.column, "rule": self.rule, "line": self.line, "count": self.count}


class ProblemsFound(PrivacyError):
    """Carries every problem found, so that they can all be repaired at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class SchemaError(ProblemsFound):
    """The declaration breaks a rule of docs/schema.md."""


class UploadRefused(ProblemsFound):
    """The file does not fit its declaration or the site's limits; nothing of it was kept."""
