"""Blocks at once, cell by cell: the same codes, the same problems in the same lines, for files good and bad.

The reference here reads line by line with the standard library's reader and codes every cell by itself.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from privacy import chunks, coding, tables
from privacy.chunks import BrokenChunk, Chunking, pack, unpack
from privacy.coding import Coder, Tally
from privacy.plain_blocks import PlainReader
from privacy.problems import UploadRefused
from privacy.schema import Schema
from privacy.schema_fields import OUTSIDE
from privacy.values import Columns, Domain

FIELDS: list[dict[str, Any]] = [
    {"name": "sex", "type": "string", "categories": ["f", "m"], "other": "else"},
    {"name": "age", "type": "integer", "constraints": {"minimum": -5, "maximum": 99}, "bins": {"equalWidth": 7}},
    {"name": "pay", "type": "number", "decimals": 3, "constraints": {"minimum": -1, "maximum": 1e6, "required": True},
     "bins": {"cutPoints": [0, 0.125, 10.3, 2500]}},
    {"name": "size", "type": "number", "constraints": {"minimum": 0.1, "maximum": 900}, "bins": {"log": 5},
     "outside": "clamp"},
    {"name": "yes", "type": "boolean"},
    {"name": "note", "type": "string", "freeText": True},
]  # fmt: skip
SCHEMA = Schema.parse(json.dumps({
    "title": "Mixed", "population": "people", "privacyUnit": {"kind": "row", "means": "one person"},
    "cap": {"rho": 1, "delta": 1e-6}, "purposes": ["testing"], "missingValues": ["NA", "-9"], "fields": FIELDS,
}))  # fmt: skip
LIMITS = tables.Limits(rows=60, columns=8, cell_chars=40)
HEADER = "sex,age,pay,size,yes,note\n"

numbers = st.one_of(
    st.integers(-20, 120).map(str),
    st.decimals(-2, 1000, places=3).map(str),
    st.floats(-5, 1e7).map(repr),
    st.sampled_from(["0.125", "10.3", "10.300", "10.2999999999999999", "2500", "2499.9999", "+7", "007", "7.", ".5"]),
    st.sampled_from(["-0", "-0.0", "1e3", "99", "99.0", "-5"]),
    st.sampled_from(["NA", "-9", "-9.0", "", " 8 ", "\u00a09", "٣", "1_000", "inf", "nan", "0x10", "9" * 17, "1e999"]),
)
words = st.one_of(
    st.sampled_from(["f", "m", "F", " f", "true", "FALSE", "1", "NA", "é", "x y", "\u2028"]), st.text(max_size=6)
)
cell = st.one_of(numbers, words)
good = st.tuples(st.sampled_from(["f", "m", "q", "NA"]), st.integers(-5, 99).map(str), st.floats(0, 1e5).map(str),
                 numbers, st.sampled_from(["true", "0", ""]), words)  # fmt: skip
ending = st.sampled_from(["\n"] * 30 + ["\r\n"] * 6 + ["\n\n", "\r"])


@st.composite
def lines(draw: Any) -> str:
    kind = draw(st.integers(0, 9))
    cells = list(draw(good)) if kind < 8 else draw(st.lists(cell, min_size=5, max_size=7))
    style = draw(st.integers(0, 5))
    if style == 0:
        written = ",".join(f'"{each}"' for each in cells)
    elif style < 5:
        text = io.StringIO()
        csv.writer(text, lineterminator="", quoting=csv.QUOTE_MINIMAL).writerow(cells)
        written = text.getvalue()
    else:
        written = ",".join(cells)
    return written + draw(ending)


def reference(content: bytes) -> tuple[list[list[int]], list[tuple[str, str, int, int]]] | str:
    """Codes and problems as the rules say them, cell by cell; or the first refusal's words."""
    tally, codes, lines = Tally(), [], checked(content)
    try:
        for found, row in enumerate(records(lines), start=1):
            if found > LIMITS.rows:
                return f"the file has more than {LIMITS.rows} rows"
            if len(row) == 6:
                codes.append(by_cell(row, lines.number, tally))
            else:
                tally.add("", "a line has more or fewer cells than the header", lines.number)
    except csv.Error as error:
        return ("a cell is longer" if "field limit" in str(error) else "a line is not well formed") + f"@{lines.number}"
    except UploadRefused as refused:
        return str(refused)
    return codes, told(tally)


class checked:  # noqa: N801 - an iterator, used like a generator
    """Lines as text, each checked, and the number of the last one."""

    def __init__(self, content: bytes) -> None:
        self.number, self._lines = 0, iter(io.BytesIO(content))

    def __iter__(self) -> checked:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        if len(line) > LIMITS.line_bytes:
            raise tables.refusal("a line is too long", self.number)
        if b"\0" in line:
            raise tables.refusal("the file holds NUL bytes, so it is not text", self.number)
        return line.decode("utf-8-sig" if self.number == 1 else "utf-8")


def records(lines: checked) -> Iterator[list[str]]:
    """The rows below the header, without blank lines."""
    csv.field_size_limit(LIMITS.cell_chars)
    reader = csv.reader(lines, delimiter=",", strict=True)
    next(reader)
    return (row for row in reader if row)


def by_cell(row: list[str], line: int, tally: Tally) -> list[int]:
    codes = []
    for column in SCHEMA.columns:
        text = row[[field["name"] for field in FIELDS].index(column.source)]
        codes.append(max(column.code(text), 0))
        if column.code(text) == OUTSIDE:
            tally.add(column.name, column.broken_rule(text), line)
    return codes


def told(tally: Tally) -> list[tuple[str, str, int, int]]:
    return sorted((each.column, each.rule, each.line, each.count) for each in tally.problems)


def product(content: bytes) -> tuple[list[list[int]], list[tuple[str, str, int, int]]] | str:
    tally, codes = Tally(), []
    try:
        table = tables.Table(io.BytesIO(content), delimiter=",", limits=LIMITS, tally=tally)
        coder = Coder(SCHEMA, table.header, tally)
        for batch in table.batches():
            coded = coder.code(batch.cells, batch.lines)
            codes += [list(map(int, row)) for row in zip(*coded, strict=True)]
    except UploadRefused as refused:
        rule, line = refused.problems[0].rule, refused.problems[0].line
        if rule == "the file has a header and no rows":
            return [], []
        short = rule.split(" than ")[0].split(":")[0]
        return f"{short}@{line}" if rule.startswith(("a cell", "a line is not")) else str(refused)
    return codes, told(tally)


@settings(max_examples=400, deadline=None)
@given(
    body=st.lists(lines(), max_size=30).map("".join),
    block=st.sampled_from([1, 40, 300, 2**22]),
    many=st.sampled_from([0, 1000]),
)
@example(body='f,1,"2\n', block=1, many=0)
@example(body='f,1,2,3,1,"a\nb"\nf,1,2,3,1,x\n', block=20, many=0)
@example(body="f,1,2,3,1,x\n" * 61, block=100, many=0)
@example(body="f,1,2,3,1," + "x" * 41 + "\n", block=2**22, many=0)
@example(body='"f","1","2","3","1",""\n' * 3, block=2**22, many=0)
@example(body="f,1,2,3,1,x", block=2**22, many=0)
def test_a_file_is_coded_as_cell_by_cell(body: str, block: int, many: int) -> None:
    content = (HEADER + body).encode()
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(tables, "BLOCK", block)
        changed.setattr(coding, "MANY", many)
        assert product(content) == reference(content)


def test_plain_blocks_are_read_at_once_and_others_are_not() -> None:
    reader = PlainReader(columns=3, delimiter=",", cell_chars=5)
    for block in (b"a,b,c\n", b"a,,\r\nb,c,d\r\n", b'"a","b",c\n', b'"a",b,""\n', "é,ü,x\n".encode()):
        cells = reader.read(block)
        assert cells is not None, block
        assert [each.to_pylist() for each in cells] == [
            list(c) for c in zip(*csv.reader(io.StringIO(block.decode())), strict=True)
        ]
    for block in (b'"a,b",c,d\n', b'a"b,c,d\n', b"a,b\n", b"a,b,c,d\n", b"a,b,c\n\nd,e,f\n", b"a\r,b,c\n",
                  b"\xff,b,c\n", b"toolong,b,c\n", b'"a""b",c,d\n', b'"a\nb",c,d\n', b"a,b,\0\n"):  # fmt: skip
        assert reader.read(block) is None, block


@given(sizes=st.lists(st.sampled_from([1, 2, 255, 256, 257, 2000]), min_size=1, max_size=5),
       rows=st.lists(st.integers(0, 9), min_size=1, max_size=8), length=st.integers(1, 7))  # fmt: skip
def test_chunks_give_back_what_was_added(sizes: list[int], rows: list[int], length: int) -> None:
    domain, rng = Domain(tuple(f"c{i}" for i in range(len(sizes))), tuple(sizes)), np.random.default_rng(0)
    packed: list[bytes] = []
    batches: list[Columns] = [
        [rng.integers(0, size, count).astype(chunks.width(size)) for size in sizes] for count in rows
    ]
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(chunks, "ROWS", length)
        chunking = Chunking(packed.append, domain)
        for batch in batches:
            chunking.add(batch)
        chunking.close()
    found = [unpack(chunk, domain) for chunk in packed]
    assert [len(each[0]) for each in found[:-1]] == [length] * max(len(found) - 1, 0)
    for place in range(len(sizes)):
        joined = [code for each in found for code in each[place].tolist()]
        assert joined == [code for batch in batches for code in batch[place].tolist()]


def test_a_torn_chunk_is_refused() -> None:
    domain = Domain(("a", "b"), (3, 300))
    chunk = pack([np.array([1, 2]), np.array([7, 299])], domain)
    assert len(chunk) == 2 * 3
    for torn in (chunk[:-1], b""):
        with pytest.raises(BrokenChunk):
            unpack(torn, domain)
