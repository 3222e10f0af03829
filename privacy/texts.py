"""Columns that wait for key discovery: their texts by number, as they are coded, sealed and coded again.

While a file is read, each different text of such a column gets the next number. Numbers and texts are sealed
to the vault apart from each other. Once a release has found its keys, numbers turn into that release's codes:
a key's text into its place among the keys, every other text into OTHER.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

import numpy as np

from privacy.schema import Schema
from privacy.schema_fields import MISSING, OUTSIDE, Column
from privacy.schema_keys import Undiscovered
from privacy.values import Columns, IntArray

NULL, OTHER, FIRST = 0, 1, 2
"""Numbers of a missing cell, of texts that can never be a key, and of the first text."""
TEXTS = ".texts"
"""How the file of sealed texts ends that lies beside the sealed codes."""
RECORD = 20_000
"""Texts to a sealed record."""

Numbered = dict[str, dict[int, str]]
"""By column: the texts behind the numbers."""


class Numbering:
    """Numbers the texts of one column in the order in which they come."""

    def __init__(self, column: Column, coding: Undiscovered) -> None:
        self._column, self._coding = column, coding
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The text's number; OUTSIDE for a missing cell where none may be, and beyond the declared most."""
        stripped = text.strip()
        if stripped in self._column.missing_values:
            return NULL if self._column.nullable else OUTSIDE
        if not self._coding.fits(stripped) or stripped in (self._column.other, MISSING):
            return OTHER
        if stripped not in self._numbers and len(self._numbers) >= self._coding.among:
            return OUTSIDE
        return self._numbers.setdefault(stripped, FIRST + len(self._numbers))

    def texts(self) -> dict[int, str]:
        return {number: text for text, number in self._numbers.items()}


def numberings(schema: Schema) -> dict[str, Numbering]:
    """A new numbering for every column that waits for discovery."""
    return {
        column.name: Numbering(column, column.coding)
        for column in schema.columns
        if isinstance(column.coding, Undiscovered)
    }


def packed(texts: Numbered) -> Iterator[bytes]:
    """The texts as records to be sealed."""
    for column, numbered in texts.items():
        rest = iter(sorted(numbered.items()))
        while part := list(islice(rest, RECORD)):
            yield json.dumps([column, part], ensure_ascii=False).encode()


def unpacked(records: Iterable[bytes]) -> Numbered:
    texts: Numbered = {}
    for record in records:
        column, part = json.loads(record)
        texts.setdefault(column, {}).update(part)
    return texts


def in_use(texts: Numbered, counts: Mapping[str, IntArray]) -> Numbered:
    """The texts of rows that are counted; ``counts`` says how many such rows hold each number."""
    return {
        column: {number: text for number, text in numbered.items() if counts[column][number]}
        for column, numbered in texts.items()
    }


def context(version: str) -> bytes:
    """What the sealed texts of a version are bound to."""
    return b"texts of " + version.encode()


def recoder(schema: Schema, settled: Schema, texts: Numbered) -> Callable[[Columns], Columns]:
    """From columns as they were stored to the codes of a release whose keys are found."""
    tables = {
        place: lookup(settled.columns[place], texts.get(column.name, {}), size=schema.stored.sizes[place], null=NULL)
        for place, column in enumerate(schema.columns)
        if isinstance(column.coding, Undiscovered)
    }

    def recoded(columns: Columns) -> Columns:
        return [tables[place][codes] if place in tables else codes for place, codes in enumerate(columns)]

    return recoded


def lookup(found: Column, texts: Mapping[int, str], *, size: int, null: int) -> IntArray:
    """The code of each number below ``size``: the key that its text is, or OTHER; NULL for ``null``."""
    codes = np.full(size, found.coding.size, dtype=np.int64)
    for number, text in texts.items():
        codes[number] = found.code(text)
    if found.nullable:
        codes[null] = found.null
    return codes
