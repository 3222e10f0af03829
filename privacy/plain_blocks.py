"""Reads whole blocks of lines at once where that cannot make a difference, and says so where it could.

A block is read here when every line of it means the same to any reader of delimited text: no line breaks or
delimiters inside cells, no blank or short or long lines, valid UTF-8, no cell beyond the limit. Any other
block is left to the careful reader, which also words the problems.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

Cells: TypeAlias = pa.DictionaryArray
"""The texts of one column's cells: the distinct ones, and for each row which it is."""


@dataclass(frozen=True)
class PlainReader:
    """Reads blocks of lines of ``columns`` cells of at most ``cell_chars`` characters."""

    columns: int
    delimiter: str
    cell_chars: int

    def read(self, block: bytes) -> list[Cells] | None:
        """The block's columns, or None when it must be read with care."""
        plain = self._plain(block)
        if plain is None:
            return None
        try:
            table = csv.read_csv(pa.BufferReader(plain), *self._options(len(plain)))
        except (pa.ArrowInvalid, pa.ArrowKeyError):
            return None
        lines = plain.count(b"\n") + (not plain.endswith(b"\n"))
        if table.num_rows != lines or table.num_columns != self.columns:
            return None
        cells = [column.combine_chunks() for column in table.columns]
        return cells if all(self._fits(each) for each in cells) else None

    def _plain(self, block: bytes) -> bytes | None:
        """The block without the quotes around whole cells; None where a byte might mean something else."""
        if b'"' in block:
            if 2 * len(self._quoted.findall(block)) != block.count(b'"'):
                return None
            block = block.replace(b'"', b"")
        returns = block.count(b"\r")
        if b"\0" in block or (returns and returns != block.count(b"\r\n")):
            return None
        blank = block.startswith((b"\n", b"\r\n")) or b"\n\n" in block or (returns and b"\n\r\n" in block)
        return None if blank else block

    @cached_property
    def _quoted(self) -> re.Pattern[bytes]:
        """A cell wholly within quotes, and nothing in it that a quote would protect."""
        cut = re.escape(self.delimiter.encode())
        return re.compile(rb"(?:(?<=\n)|(?<=" + cut + rb')|\A)"[^"\r\n' + cut + rb']*"(?=' + cut + rb"|\r\n|\n|\Z)")

    def _options(self, length: int) -> tuple[csv.ReadOptions, csv.ParseOptions, csv.ConvertOptions]:
        names = [str(place) for place in range(self.columns)]
        kind = pa.dictionary(pa.int32(), pa.string())
        return (
            csv.ReadOptions(use_threads=False, block_size=length + 1, column_names=names),
            csv.ParseOptions(delimiter=self.delimiter, quote_char=False, escape_char=False),
            csv.ConvertOptions(check_utf8=True, column_types=dict.fromkeys(names, kind), strings_can_be_null=False),
        )

    def _fits(self, cells: Cells) -> bool:
        longest = pc.max(pc.utf8_length(cells.dictionary)).as_py()
        return longest is None or longest <= self.cell_chars


def encoded(texts: list[str]) -> Cells:
    """Cells from texts one by one."""
    return pa.array(texts, pa.string()).dictionary_encode()
