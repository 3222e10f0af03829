"""What a proposer is told: reviewed wording, declared facts, released statistics and synthetic counts.

A prompt is as long as its endpoint can read: where all columns do not fit, it tells of those that differ, and where
these do not, of fewer differences. Columns and values travel as codes (c01, v01). Their labels are added only where
the data owner declared them public; labels that key discovery found name the release that let them out. Both counts of
every discrepancy are whole numbers on one scale, the released noisy total.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any, Protocol

from audit.rendering import render
from audit.segments import Declared, DPValue, Message, Prompt, Segment, Synthetic, Template, found_in
from synthesis.loop import Discrepancy
from synthesis.manners import EMBEDDED, Manner

RULES = Template(
    "proposal-rules",
    "You help to build a synthetic table whose statistics match published, noised statistics. You never see a "
    "record. Below you get the table's columns and the largest differences between the published counts "
    "(target) and the synthetic table so far (now); both are numbers of records. Propose groups of records "
    "that would reduce these differences. Describe each group by the values it may take in the columns that matter (a "
    "column you leave out may take any value), how many records it should have, and one sentence of reason. Prefer "
    "groups that serve several differences at once, and groups that are plausible as a whole. Use only the names and "
    "values given. Answer with JSON "
    'of this form and nothing else: {"proposals": [{"values": [{"column": "c01", "allow": ["v01"]}, ...], '
    '"records": 40, "reason": "..."}]}',
)
OPEN = Template("guidance-columns", '{"columns":[')
NAME = Template("column-name", '{"name":')
VALUES = Template("column-values", ',"values":')
LABELS = Template("column-labels", ',"label":')
VALUE_LABELS = Template("value-labels", ',"labels":')
CLOSE = Template("object-close", "}")
COMMA = Template("comma", ",")
DISCREPANCIES = Template("guidance-discrepancies", '],"discrepancies":[')
WHERE = Template("discrepancy-where", '{"where":')
TARGET = Template("discrepancy-target", ',"target":')
NOW = Template("discrepancy-now", ',"now":')
PROPOSALS = Template("guidance-proposals", '],"proposals":')
RECORDS = Template("guidance-records", ',"records":')
TEMPLATES = (
    RULES, OPEN, NAME, VALUES, LABELS, VALUE_LABELS, CLOSE, COMMA,
    DISCREPANCIES, WHERE, TARGET, NOW, PROPOSALS, RECORDS,
)  # fmt: skip

MOST_ENUMERATED = 1_000
"""Values that a form may enumerate in all; OpenAI's limit, and the lowest known."""


class TooLong(Exception):
    """Not even the largest difference alone can be told to this endpoint."""


class Columns(Protocol):
    """What a prompt may say about a declared table: names and labels, and whether they are public."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def labels(self, column: str) -> tuple[str, ...]: ...

    def is_public(self, column: str) -> bool: ...


def column_code(position: int) -> str:
    return f"c{position + 1:02d}"


def value_code(code: int) -> str:
    return f"v{code + 1:02d}"


class PromptBuilder:
    """Builds the prompts of one run over one declared table; ``found`` are columns with discovered labels."""

    def __init__(
        self,
        columns: Columns,
        *,
        release: str,
        source: str,
        model: str,
        found: frozenset[str] = frozenset(),
        manner: Manner = EMBEDDED,
    ) -> None:
        self.columns, self.release, self.source, self.model = columns, release, source, model
        self.found, self.manner = found, manner

    def declared(self, value: Any) -> Declared:
        return Declared(json.dumps(value, ensure_ascii=False), self.source)

    def labels(self, column: str) -> Declared:
        source = found_in(self.release) if column in self.found else self.source
        return Declared(json.dumps(list(self.columns.labels(column)), ensure_ascii=False), source)

    def fitting(self, found: tuple[Discrepancy, ...], *, iteration: int, proposals: int) -> Prompt:
        """The fullest prompt about these, largest first, that fits the endpoint's room; TooLong where none does."""
        fewer = [found[:most] for most in (len(found), len(found) // 2, len(found) // 4, 1) if most]
        for told, columns in [(found, self.columns.names), *((some, concerned(some)) for some in fewer)]:
            made = self.build(told, iteration=iteration, proposals=proposals, records=missing(told), columns=columns)
            if len(render(made)) <= self.manner.room:
                return made
        raise TooLong("a prompt about one difference is longer than the endpoint can read")

    def build(
        self,
        found: tuple[Discrepancy, ...],
        *,
        iteration: int,
        proposals: int,
        records: int,
        columns: Collection[str] | None = None,
    ) -> Prompt:
        """A prompt that tells of these columns, all unless named, whatever its length."""
        guidance = (*self.describe_columns(columns), *self.describe_discrepancies(found, iteration),
                    PROPOSALS, Synthetic(proposals, "settings:proposals"), RECORDS,
                    Synthetic(records, "settings:records"), CLOSE)  # fmt: skip
        return self.framed(RULES, guidance)

    def framed(self, rules: Template, guidance: tuple[Segment, ...], schema: dict[str, Any] | None = None) -> Prompt:
        """A prompt of this wording and guidance; ``schema`` is its answer's form, unless that is a proposal's."""
        form = Declared.of_json(schema or self.answer_schema(), source=self.source) if self.manner.form else None
        return Prompt(
            model=Declared(self.model, "endpoint:model"),
            parameters=Declared.of_json(dict(self.manner.parameters), source="settings:parameters"),
            response_schema=form,
            messages=(Message("system", (rules,)), Message("user", guidance)),
        )

    def describe_columns(self, told: Collection[str] | None) -> Iterator[Segment]:
        yield OPEN
        names = list(enumerate(self.columns.names))
        for place, (position, column) in enumerate(each for each in names if told is None or each[1] in told):
            if place:
                yield COMMA
            yield from (NAME, self.declared(column_code(position)))
            labels = self.columns.labels(column)
            yield from (VALUES, self.declared([value_code(code) for code in range(len(labels))]))
            if self.columns.is_public(column):
                yield from (LABELS, self.declared(column), VALUE_LABELS, self.labels(column))
            yield CLOSE

    def describe_discrepancies(self, found: tuple[Discrepancy, ...], iteration: int) -> Iterator[Segment]:
        yield DISCREPANCIES
        for rank, one in enumerate(found):
            if rank:
                yield COMMA
            yield from (WHERE, self.declared(self.where(one)))
            yield from (TARGET, DPValue(one.target, self.release, one.measurement, one.cell))
            yield from (NOW, Synthetic(one.now, f"loop:iteration={iteration};rank={rank}"), CLOSE)

    def where(self, one: Discrepancy) -> dict[str, list[str]]:
        """The cell in codes: for each column the values its bin gathers."""
        found = {}
        for axis, index in zip(one.clique.axes, one.cell, strict=True):
            codes = [code for code, group in enumerate(axis.bins) if group == index] if axis.bins else [index]
            found[column_code(self.columns.names.index(axis.column))] = [value_code(code) for code in codes]
        return found

    def answer_schema(self) -> dict[str, Any]:
        """An array of fixed-key objects in the subset of JSON Schema that every endpoint enforces.

        Codes are enumerated as far as a form may; beyond that any text is let through, and checked when it is read.
        """
        names = [column_code(position) for position in range(len(self.columns.names))]
        widest = max(len(self.columns.labels(column)) for column in self.columns.names)
        values = [value_code(code) for code in range(widest)]
        room = MOST_ENUMERATED - (len(names) if len(names) <= MOST_ENUMERATED else 0)
        value = strict(column=one_of(names, MOST_ENUMERATED), allow=array(one_of(values, room)))
        proposal = strict(values=array(value), records={"type": "integer"}, reason={"type": "string"})
        return strict(proposals=array(proposal))


def concerned(found: tuple[Discrepancy, ...]) -> frozenset[str]:
    """The columns that these differences are about."""
    return frozenset(axis.column for one in found for axis in one.clique.axes)


def missing(found: tuple[Discrepancy, ...]) -> int:
    """How many records to ask for: as many as the cells lack that have too few."""
    return sum(max(one.target - one.now, 0) for one in found) or 1


def one_of(codes: list[str], most: int) -> dict[str, Any]:
    return {"type": "string", "enum": codes} if len(codes) <= most else {"type": "string"}


def array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def strict(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
