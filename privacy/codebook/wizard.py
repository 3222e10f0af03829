"""A declaration proposed from an owner's few answers and a file's header line; no row is ever read.

Rules only. What no rule and no answer says is left open, and listed as still to be declared.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from privacy.codebook.draft import CodebookRefused, Draft, Drafting, name_of, refuse
from privacy.codebook.words import field_of
from privacy.problems import Problem
from privacy.schema_parts import DELIMITERS, MAX_FIELDS

LONGEST_HEADER = 2**18
_VALUE = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}.*|.+@.+\..+")


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask an owner: the answer's key, the question, and an example of an answer."""

    name: str
    text: str
    example: str


QUESTIONS = (
    Question("title", "What should people find the dataset by?", "Visits to the clinic, 2020 to 2024"),
    Question("population", "Who are the people in it? Datasets about the same people share one cap.", "Our patients"),
    Question("one_line", "What is one line of the file about?", "one visit"),
    Question("identifier", "Which column says whom a line belongs to? Empty if each line is a person.", "patient_id"),
    Question("protected", "Who is protected, in words?", "one patient"),
    Question("max_rows", "Of how many lines a person, at most, should be counted? Not from looking.", "5"),
    Question("no_identifier", "A line without identifier: 'drop' it, or count it as its 'own-unit'?", "drop"),
    Question("epsilon", "How much privacy loss may these people ever bear, as epsilon?", "4"),
    Question("delta", "At which delta? Far below 1 divided by the number of people.", "1e-9"),
    Question("purposes", "What may the data be asked for?", "planning; teaching"),
    Question("missing", "How is a missing cell written, besides an empty one?", "NA; -99"),
    Question("columns", "What is in each column, in a few words?", "age: whole number 0 to 110"),
)


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to QUESTIONS, empty where there is none; ``columns`` has words by column."""

    title: str = ""
    population: str = ""
    one_line: str = ""
    identifier: str = ""
    protected: str = ""
    max_rows: str = ""
    no_identifier: str = ""
    epsilon: str = ""
    delta: str = ""
    purposes: str = ""
    missing: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Answers:
        """CodebookRefused for an answer to no question, or one that is no text."""
        names = {each.name for each in fields(cls)}
        words = values.get("columns", {})
        problems = [Problem("", "there is an answer to a question that is not asked")] if set(values) - names else []
        if not isinstance(words, Mapping) or not all(isinstance(each, str) for each in words.values()):
            problems.append(Problem("", "'columns' must give a text for each column"))
        problems += [
            Problem("", f"the answer to '{name}' must be a text")
            for name in sorted(names - {"columns"}) if not isinstance(values.get(name, ""), str)
        ]  # fmt: skip
        if problems:
            raise CodebookRefused(problems)
        return cls(**values)


def header_line(path: Path) -> str:
    """The file's first line and not a byte more. CodebookRefused where there is none."""
    line = bytearray()
    with path.open("rb", buffering=0) as file:
        while (byte := file.read(1)) not in (b"", b"\n") and len(line) <= LONGEST_HEADER:
            line += byte
    try:
        return line.decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError:
        raise refuse("the header must be text in UTF-8", line=1) from None


def propose(answers: Answers, header: str) -> Draft:
    """A draft for the columns of ``header``. CodebookRefused where it is no header, or an answer fits no column."""
    delimiter, columns = _columns(header)
    unknown = [name for name in [*answers.columns, answers.identifier] if name and name not in columns]
    if unknown:
        raise CodebookRefused([Problem("", f"{len(unknown)} answers are about columns that the header does not have")])
    drafting = Drafting()
    for name in columns:
        if name == answers.identifier:
            drafting.add({"name": name, "type": "string"})
        else:
            drafting.add(field_of(name, answers.columns.get(name, ""), drafting))
    return drafting.finished(
        title=answers.title.strip(),
        description=f"One line of the file is {answers.one_line.strip()}." if answers.one_line.strip() else "",
        population=answers.population.strip(),
        privacyUnit=_unit(answers),
        cap=_cap(answers),
        purposes=_several(answers.purposes),
        missingValues=_several(answers.missing),
        dialect={"delimiter": delimiter} if delimiter != "," else {},
    )


def _unit(answers: Answers) -> dict[str, Any]:
    means = answers.protected.strip()
    if not answers.identifier:
        return {"kind": "row", "means": means} if means else {}
    unit: dict[str, Any] = {"kind": "identifier", "column": answers.identifier}
    unit |= {"means": means} if means else {}
    unit |= {"maxRows": int(answers.max_rows)} if re.fullmatch("[0-9]{1,9}", answers.max_rows.strip()) else {}
    return unit | ({"nullIdentifiers": answers.no_identifier.strip()} if answers.no_identifier.strip() else {})


def _cap(answers: Answers) -> dict[str, str]:
    said = {"epsilon": answers.epsilon.strip(), "delta": answers.delta.strip()}
    return {key: text for key, text in said.items() if text}


def _several(text: str) -> list[str]:
    return list(dict.fromkeys(each.strip() for each in re.split(r"[;\n]", text) if each.strip()))


def _columns(header: str) -> tuple[str, list[str]]:
    """The header's delimiter and names. Its cells are never repeated in a problem: it may be a line of data."""
    if len(header) > LONGEST_HEADER or "\0" in header or not header.strip():
        raise refuse("the file has no header line, or one that is too long", line=1)
    delimiter = max(DELIMITERS, key=header.count)
    try:
        cells = [cell.strip() for cell in next(csv.reader(io.StringIO(header), delimiter=delimiter, strict=True))]
    except csv.Error:
        raise refuse("the header line is not well formed: look at its quotes", line=1) from None
    problems: list[Problem] = []
    if len(cells) > MAX_FIELDS:
        problems.append(Problem("", f"the header has more than {MAX_FIELDS} columns", 1))
    for place, cell in enumerate(cells, start=1):
        if _VALUE.fullmatch(cell):
            problems.append(Problem("", f"cell {place} looks like data, so the first line is no header", 1))
        elif name_of(cell, line=1, problems=problems) and cell in cells[: place - 1]:
            problems.append(Problem("", f"cell {place} repeats an earlier name", 1))
    if problems:
        raise CodebookRefused(problems)
    return delimiter, cells
