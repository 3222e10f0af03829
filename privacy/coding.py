"""From the texts of rows to small integers: one column at a time, each cell by itself.

A batch's distinct texts are coded, not its cells: texts seen before are looked up, plain numbers are read
many at once, and the rest goes through the column's own rule text by text. All three give the same codes.

What no declared code stands for is coded OUTSIDE and noted by rule; a file with such a cell is refused as a
whole. Once accepted, a file is codes only, so no later step can stumble over a value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from privacy.chunks import width
from privacy.plain_blocks import Cells
from privacy.problems import Problem
from privacy.schema import Schema
from privacy.schema_fields import OUTSIDE, Column, Cuts
from privacy.texts import Numbered, numberings
from privacy.values import Columns, IntArray

MOST_REMEMBERED = 50_000
MANY = 1000
PLAIN_WHOLE = r"^-?[0-9]{1,15}$"
PLAIN_NUMBER = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"


class Tally:
    """Broken rules by column, how often and in which line first."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[int]] = {}

    def add(self, column: str, rule: str, line: int) -> None:
        self._found.setdefault((column, rule), [line, 0])[1] += 1

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """In the order of the first line each was seen in."""
        ordered = sorted(self._found.items(), key=lambda item: item[1][0])
        return tuple(Problem(column, rule, line, count) for (column, rule), (line, count) in ordered)


class Coder:
    """Codes batches of columns of texts that stand in the order of ``header``."""

    def __init__(self, schema: Schema, header: Sequence[str], tally: Tally) -> None:
        self._columns = [(column, header.index(column.source)) for column in schema.columns]
        self._seen: list[dict[str, int]] = [{} for _ in self._columns]
        self._widths = [width(size) for size in schema.stored.sizes]
        self._numberings = numberings(schema)
        self._tally = tally

    @property
    def texts(self) -> Numbered:
        """What the numbers of columns that wait for key discovery stand for."""
        return {column: numbering.texts() for column, numbering in self._numberings.items()}

    def code(self, cells: Sequence[Cells], lines: Sequence[int]) -> Columns:
        """One array of codes for each of the schema's columns; ``lines`` are the rows' line numbers in the file.

        Cells outside their domain are tallied and come back as code 0, of a file that will be refused.
        """
        coded = []
        for (column, position), seen, kind in zip(self._columns, self._seen, self._widths, strict=True):
            codes = self._coded(column, cells[position].dictionary, seen)
            places = cells[position].indices.to_numpy()
            if OUTSIDE in codes:
                self._note(column, cells[position].dictionary, np.flatnonzero(codes[places] == OUTSIDE), places, lines)
            coded.append(np.maximum(codes, 0).astype(kind)[places])
        return coded

    def _coded(self, column: Column, texts: pa.StringArray, seen: dict[str, int]) -> IntArray:
        if column.name not in self._numberings:
            return _code(column, texts, seen)
        number = self._numberings[column.name].number
        return np.fromiter(map(number, texts.to_pylist()), dtype=np.int64, count=len(texts))

    def _note(
        self, column: Column, texts: pa.StringArray, bad: IntArray, places: NDArray[np.int32], lines: Sequence[int]
    ) -> None:
        """Which rules these rows broke; the values stay unsaid."""
        rules: dict[int, str] = {}
        for row in bad.tolist():
            place = int(places[row])
            rule = rules.get(place) or rules.setdefault(place, column.broken_rule(texts[place].as_py()))
            self._tally.add(column.name, rule, lines[row])


def coded_alike(column: Column, cells: Cells) -> IntArray:
    """Codes of cells that are no column of their own, as if they were this one's; OUTSIDE its domain is no problem."""
    found: IntArray = _code(column, cells.dictionary, {})[cells.indices.to_numpy()]
    return found


def _code(column: Column, texts: pa.StringArray, seen: dict[str, int]) -> IntArray:
    """The codes of distinct texts."""
    codes = np.full(len(texts), OUTSIDE, dtype=np.int64)
    rest = np.arange(len(texts))
    if len(texts) > MANY and isinstance(column.coding, Cuts) and column.other is None:
        rest = _code_plain_numbers(column, column.coding, texts, codes)
    if len(seen) > MOST_REMEMBERED:
        seen.clear()
    words = texts.take(pa.array(rest)).to_pylist()
    for word in words:
        if word not in seen:
            seen[word] = column.code(word)
    codes[rest] = np.fromiter(map(seen.__getitem__, words), dtype=np.int64, count=len(words))
    return codes


def _code_plain_numbers(column: Column, cuts: Cuts, texts: pa.StringArray, codes: IntArray) -> IntArray:
    """Fills in the codes of texts that can only be read one way; the places of the other texts."""
    plain = pc.match_substring_regex(texts, PLAIN_WHOLE if cuts.integer else PLAIN_NUMBER)
    missing = pc.is_in(texts, value_set=pa.array(sorted(column.missing_values), pa.string()))
    sure = pc.and_(plain, pc.invert(missing)).to_numpy(zero_copy_only=False)
    numbers = pc.cast(texts.filter(pa.array(sure)), pa.float64()).to_numpy(zero_copy_only=False)
    starts = np.array(cuts.starts, dtype=np.float64) / 10**cuts.decimals
    last = cuts.last / 10**cuts.decimals
    found = np.searchsorted(starts, np.clip(numbers, starts[0], last), side="right") - 1
    if not cuts.clamp:
        found[(numbers < starts[0]) | (numbers > last)] = OUTSIDE
    codes[sure] = found
    return np.flatnonzero(~sure)
