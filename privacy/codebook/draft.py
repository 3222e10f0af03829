"""A declaration on its way: what is already known, what was assumed, and what only the owner can say."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from privacy.problems import Problem, ProblemsFound, SchemaError
from privacy.schema import Schema


class CodebookRefused(ProblemsFound):
    """The codebook, dictionary, answers or header cannot be read; no problem quotes an entry."""


def refuse(rule: str, *, column: str = "", line: int = 0) -> CodebookRefused:
    return CodebookRefused([Problem(column, rule, line)])


@dataclass(frozen=True, slots=True)
class Draft:
    """``notes`` say what was assumed or left out; they need a look, not an answer."""

    declaration: dict[str, Any]
    notes: tuple[Problem, ...] = ()

    @property
    def still_to_declare(self) -> tuple[Problem, ...]:
        """Everything that keeps the draft from being a declaration; empty when it is one."""
        try:
            Schema.parse(self.text)
        except SchemaError as missing:
            return missing.problems
        return ()

    @property
    def text(self) -> str:
        """The declaration as a file to go on with."""
        written = json.dumps(self.declaration, indent=2, ensure_ascii=False)
        if any("\ud800" <= character <= "\udfff" for character in written):  # half a character has no UTF-8
            written = json.dumps(self.declaration, indent=2)
        return written + "\n"

    def to_json(self) -> dict[str, Any]:
        return {
            "declaration": self.declaration,
            "still_to_declare": [problem.to_json() for problem in self.still_to_declare],
            "notes": [note.to_json() for note in self.notes],
        }


@dataclass(slots=True)
class Drafting:
    """Fields and notes while they are gathered, and the problems that will refuse the whole."""

    fields: list[dict[str, Any]] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def note(self, column: str, rule: str) -> None:
        self.notes.append(Problem(column, rule))

    def add(self, values: dict[str, Any], *, line: int = 0) -> None:
        """One more field; a name that is used twice is a problem of the codebook."""
        name = values["name"]
        if any(each["name"] == name for each in self.fields):
            self.problems.append(Problem(name, "the variable is described twice", line))
        self.fields.append(values)

    def finished(self, **around: Any) -> Draft:
        """The draft with what is known around its fields. CodebookRefused when there were problems."""
        if self.problems:
            raise CodebookRefused(self.problems)
        if not self.fields:
            raise refuse("no variable is described")
        known = {key: value for key, value in around.items() if value}
        return Draft({**known, "fields": self.fields}, tuple(self.notes))


def name_of(text: str, *, line: int, problems: list[Problem]) -> str | None:
    """A variable's name as a declaration takes it, or None after noting the problem."""
    name = text.strip()
    if name.isprintable() and 1 <= len(name) <= 100:
        return name
    problems.append(Problem("", "a variable needs a name: printable, at most 100 characters", line))
    return None
