"""data.xlsx: the table, or related ones a sheet each, where a workbook can hold them. Formulas are disarmed."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.packaging.core import DocumentProperties
from openpyxl.workbook.child import INVALID_TITLE_REGEX
from openpyxl.xml.constants import ARC_CORE
from openpyxl.xml.functions import tostring

from synthesis.guarding import guard_cell

MOST_ROWS, MOST_COLUMNS, MOST_CHARACTERS = 1_048_575, 16_384, 32_767
"""What the format holds: rows below a header, columns, characters in a cell."""
MOST_CELLS = 500_000
"""Above it a workbook takes longer to write and to open than it is worth."""
LONGEST_TITLE = 31
EXACT = 2**53
"""A workbook keeps numbers as binary fractions: whole ones beyond this would change, so they are written as text."""
BEYOND_16_BITS = r"[\x{10000}-\x{10FFFF}]"
AT_ONCE = 10_000
SAME_DAY = (1980, 1, 1, 0, 0, 0)
THEN = datetime(*SAME_DAY)


def write(sheets: Mapping[str, Path], out: Path) -> str:
    """Write ``out`` and return an empty string, or write nothing and return the rule that a workbook cannot meet.

    ``sheets``: the Parquet file of each. The same tables give the same bytes: nothing tells when it was made.
    """
    tables = {title: pq.ParquetFile(parquet) for title, parquet in sheets.items()}
    for title, table in tables.items():
        if rule := why_not(table):
            return rule if len(tables) == 1 else f"table {title}: {rule}"
    book = Workbook(write_only=True)
    for title, table in tables.items():
        sheet = book.create_sheet(INVALID_TITLE_REGEX.sub("_", title)[:LONGEST_TITLE])
        for row in rows(table):
            sheet.append(row)
    with TemporaryDirectory(dir=out.parent.parent) as folder:
        book.save(Path(folder) / "book.xlsx")
        without_times(Path(folder) / "book.xlsx", out)
    return ""


def why_not(table: pq.ParquetFile) -> str:
    """The rule that the table breaks, naming the column where it is about one; empty where it fits."""
    size = table.metadata
    if size.num_rows > MOST_ROWS or size.num_columns > MOST_COLUMNS:
        return f"a workbook holds at most {MOST_ROWS:,} rows and {MOST_COLUMNS:,} columns"
    if size.num_rows * size.num_columns > MOST_CELLS:
        return f"workbooks are written for at most {MOST_CELLS:,} cells"
    for batch in table.iter_batches(AT_ONCE):
        for name, cells in zip(batch.schema.names, batch.columns, strict=True):
            if rule := why_not_cells(cells):
                return f"column {name}: {rule}"
    return ""


def why_not_cells(cells: pa.Array) -> str:
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary
    if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
        return ""
    if longest(cells) >= MOST_CHARACTERS:  # one is kept for the apostrophe
        return f"a cell of a workbook holds fewer than {MOST_CHARACTERS:,} characters"
    if any(ILLEGAL_CHARACTERS_RE.search(cell) for cell in pc.unique(cells).to_pylist() if cell):
        return "a workbook holds no control characters"
    return ""


def longest(cells: pa.Array) -> int:
    """Characters of the longest text as a workbook counts them: those beyond 16 bits, such as emoji, are two."""
    if (pc.max(pc.binary_length(cells)).as_py() or 0) < MOST_CHARACTERS:  # no text has more characters than bytes
        return 0
    lengths = pc.add(pc.utf8_length(cells), pc.count_substring_regex(cells, BEYOND_16_BITS))
    return int(pc.max(lengths).as_py())


def rows(table: pq.ParquetFile) -> Iterator[list[Any]]:
    yield [guard_cell(name) for name in table.schema_arrow.names]
    for batch in table.iter_batches(AT_ONCE):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield [cell(value) for value in row]


def cell(value: Any) -> Any:
    """What a workbook keeps as it is: numbers it can hold exactly, moments without a zone, disarmed text."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) > EXACT:
        return str(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.isoformat()
    return guard_cell(value)


def without_times(book: Path, out: Path) -> None:
    """The same archive with every member dated alike, so that the same table gives the same bytes."""
    with zipfile.ZipFile(book) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in sorted(old.infolist(), key=lambda one: one.filename):
            entry = zipfile.ZipInfo(member.filename, SAME_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            if member.filename == ARC_CORE:
                new.writestr(entry, tostring(DocumentProperties(created=THEN, modified=THEN).to_tree()))
                continue
            with old.open(member) as source, new.open(entry, "w") as target:
                shutil.copyfileobj(source, target)
