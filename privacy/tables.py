"""Reads a delimited text file as strings, in batches, without trusting it.

Every departure from the declared form is a problem by rule and line; no message carries anything read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from privacy.plain_blocks import Cells, PlainReader, encoded
from privacy.problems import Problem, UploadRefused

BLOCK = 2**22
DELIMITER_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}


class Tally(Protocol):
    def add(self, column: str, rule: str, line: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may hold."""

    rows: int
    columns: int
    cell_chars: int

    @property
    def line_bytes(self) -> int:
        return min(self.columns * (4 * self.cell_chars + 3), 2**26)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows by column, in the header's order, and the line in the file that each row ends in."""

    cells: Sequence[Cells]
    lines: Sequence[int]

    def __len__(self) -> int:
        return len(self.lines)


class _Lines:
    """The file's lines as text, block by block, each line checked before a parser sees it."""

    def __init__(self, source: IO[bytes], limits: Limits) -> None:
        self._source, self._limits, self.number = source, limits, 0
        self.put(source.readline(limits.line_bytes + 1))  # the header's line alone: what follows may be plain

    def block(self) -> bytes:
        """The next block of whole lines, taken as one; only between records, when no line waits."""
        block = self._source.read(BLOCK)
        return block if block.endswith(b"\n") else block + self._source.readline(self._limits.line_bytes + 1)

    def put(self, block: bytes) -> None:
        """Hand out the lines of this block one by one."""
        self._waiting = iter(io.BytesIO(block))
        self._next = next(self._waiting, b"")

    @property
    def waiting(self) -> bool:
        return bool(self._next)

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if not self._next:
            self.put(self.block())
        line, self._next = self._next, next(self._waiting, b"")
        if not line:
            raise StopIteration
        self.number += 1
        return self._checked(line)

    def _checked(self, line: bytes) -> str:
        if len(line) > self._limits.line_bytes:
            raise refusal("a line is too long", self.number)
        if b"\0" in line:
            raise refusal("the file holds NUL bytes, so it is not text", self.number)
        try:
            return line.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise refusal("the file must be encoded as UTF-8", self.number) from None


class Table:
    """A header and the batches of rows below it."""

    def __init__(self, source: IO[bytes], *, delimiter: str, limits: Limits, tally: Tally) -> None:
        csv.field_size_limit(limits.cell_chars)
        self._limits, self._tally, self._found = limits, tally, 0
        self._lines = _Lines(source, limits)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        self.header: list[str] = [name.strip() for name in self._record() or []]
        if not self.header:
            raise refusal("the file is empty")
        if len(self.header) > limits.columns:
            raise refusal(f"the file has more than {limits.columns} columns")
        self._plain = PlainReader(len(self.header), delimiter, limits.cell_chars)

    def batches(self) -> Iterator[Batch]:
        """Rows with as many cells as the header; the others are tallied."""
        while self._lines.waiting or (block := self._lines.block()):
            batch = None if self._lines.waiting else self._at_once(block)
            if batch is None:
                if not self._lines.waiting:
                    self._lines.put(block)
                batch = self._with_care()
            if len(batch):
                yield batch
        if not self._found:
            raise refusal("the file has a header and no rows")

    def _at_once(self, block: bytes) -> Batch | None:
        """A whole block where every line is one plain row within the limits."""
        # Without its line's end a block may be cut within a line that is too long.
        cells = self._plain.read(block) if block.endswith(b"\n") else None
        if cells is None or self._found + len(cells[0]) > self._limits.rows:
            return None
        first, rows = self._lines.number + 1, len(cells[0])
        self._found += rows
        self._lines.number += rows
        return Batch(cells, range(first, first + rows))

    def _with_care(self) -> Batch:
        """Record by record to the end of the block, or of the record that runs beyond it."""
        rows: list[list[str]] = []
        lines: list[int] = []
        while self._lines.waiting and (row := self._record()) is not None:
            self._found += 1
            if self._found > self._limits.rows:
                raise refusal(f"the file has more than {self._limits.rows} rows")
            if len(row) == len(self.header):
                rows.append(row)
                lines.append(self._lines.number)
            else:
                self._tally.add("", "a line has more or fewer cells than the header", self._lines.number)
        return Batch([encoded(list(texts)) for texts in zip(*rows, strict=True)], lines)

    def _record(self) -> list[str] | None:
        """The next record that is not a blank line; None at the end of the file."""
        while True:
            try:
                record = next(self._reader)
            except StopIteration:
                return None
            except csv.Error as error:
                raise refusal(self._csv_rule(error), self._lines.number) from None
            if record:
                return record

    def _csv_rule(self, error: csv.Error) -> str:
        if "field limit" in str(error):
            return f"a cell is longer than {self._limits.cell_chars} characters, or a quote is not closed"
        return "a line is not well formed: look at its quotes and its end"


def check_header(header: Sequence[str], declared: Sequence[str], *, delimiter: str) -> None:
    """UploadRefused unless the header holds exactly the declared names, in any order.

    Names that are not declared are counted, never repeated: a file without a header starts with data.
    """
    if wrong := _other_delimiter(header, declared, delimiter):
        found, expected = DELIMITER_NAMES[wrong], DELIMITER_NAMES[delimiter]
        raise refusal(f"cells seem to be separated by {found}, while the schema declares {expected}", 1)
    problems = [Problem(name, "the column is missing from the file", 1) for name in declared if name not in header]
    problems += [Problem(name, "the header names the column twice", 1) for name in declared if header.count(name) > 1]
    undeclared = [place for place, name in enumerate(header, start=1) if name not in declared]
    if undeclared:
        rule = f"columns that are not declared: {len(undeclared)}; the first is column {undeclared[0]} of the header"
        problems.append(Problem("", rule, 1))
    if problems:
        raise UploadRefused(problems)


def refusal(rule: str, line: int = 0) -> UploadRefused:
    return UploadRefused([Problem("", rule, line)])


def _other_delimiter(header: Sequence[str], declared: Sequence[str], delimiter: str) -> str | None:
    """Another delimiter that splits a header of one cell into names of which most are declared."""
    if len(header) != 1 or len(declared) < 2:
        return None
    for other in DELIMITER_NAMES:
        names = {name.strip().strip('"') for name in header[0].split(other)}
        if other != delimiter and len(names & set(declared)) * 2 > len(declared):
            return other
    return None
