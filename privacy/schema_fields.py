"""The kinds of column: how a cell's text becomes a code, and how a code becomes a value again.

The codes of a column are its declared values or bins in order, then OTHER where it is declared, then NULL
where cells may be missing. Coding looks at one cell alone and at public facts alone.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

import numpy as np

from privacy.values import IntArray

OUTSIDE = -1
"""What no declared code stands for; a file holding one is refused."""
MISSING = "(missing)"
"""How a missing cell is shown to people; no declared value may be spelled so."""

_WHOLE = re.compile(r"([+-]?[0-9]{1,18})(?:\.0{1,18})?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


class Coding(Protocol):
    """The declared values of a column, without OTHER and NULL."""

    @property
    def size(self) -> int: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def rule(self) -> str: ...

    def code(self, text: str) -> int: ...

    def decode(self, codes: IntArray, rng: np.random.Generator) -> np.ndarray[Any, Any]: ...


@dataclass(frozen=True, slots=True)
class Categories:
    """A public list of values. ``spellings`` maps every accepted spelling to its code."""

    labels: tuple[str, ...]
    spellings: dict[str, int] = field(hash=False)

    @property
    def size(self) -> int:
        return len(self.labels)

    @property
    def rule(self) -> str:
        return "a value is not among the declared ones"

    def code(self, text: str) -> int:
        return self.spellings.get(text, OUTSIDE)

    def decode(self, codes: IntArray, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        return np.array(self.labels, dtype=object)[codes]


@dataclass(frozen=True, slots=True)
class Cuts:
    """Numbers between public bounds, cut at public points.

    Everything is a whole number of steps of ``10 ** -decimals``: ``starts`` are the lowest values of the
    bins, ``last`` the largest value of the last bin, which is closed. Integers have ``decimals=0``.
    """

    starts: tuple[int, ...]
    last: int
    decimals: int
    integer: bool
    clamp: bool

    @property
    def size(self) -> int:
        return len(self.starts)

    @property
    def ends(self) -> tuple[int, ...]:
        """The largest value of each bin, in steps."""
        return (*(start - 1 for start in self.starts[1:]), self.last)

    @property
    def rule(self) -> str:
        kind = "a whole number" if self.integer else "a number"
        low, high = self._shown(self.starts[0]), self._shown(self.last)
        return f"a value is not {kind}" + ("" if self.clamp else f" from {low} to {high}")

    @property
    def labels(self) -> tuple[str, ...]:
        if self.integer:
            pairs = zip(self.starts, self.ends, strict=True)
            return tuple(str(low) if low == high else f"{low} to {high}" for low, high in pairs)
        shown = [self._shown(step) for step in (*self.starts, self.last)]
        words = ["up to"] * (self.size - 1) + ["to"]
        return tuple(f"{low} {word} {high}" for low, word, high in zip(shown, words, shown[1:], strict=False))

    def code(self, text: str) -> int:
        value = self._number(text)
        if value is None:
            return OUTSIDE
        unit = 10**self.decimals
        low, high = self.starts[0] / unit, self.last / unit
        if not self.clamp and not low <= value <= high:
            return OUTSIDE
        place = bisect_right(self.starts, min(max(value, low), high), key=lambda start: start / unit)
        return place - 1

    def decode(self, codes: IntArray, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        """Uniform within the bin, on the declared steps."""
        low = np.array(self.starts, dtype=np.int64)[codes]
        high = np.array(self.ends, dtype=np.int64)[codes]
        steps = rng.integers(low, high, endpoint=True)
        return steps if self.integer else steps / 10**self.decimals

    def _number(self, text: str) -> float | None:
        if self.integer:
            whole = _WHOLE.fullmatch(text)
            return float(int(whole[1])) if whole else None
        return float(text) if _NUMBER.fullmatch(text) else None

    def _shown(self, step: int) -> str:
        return f"{Decimal(step).scaleb(-self.decimals).normalize():f}"


@dataclass(frozen=True, slots=True)
class Column:
    """A declared column that is measured. ``other`` is the label of values outside the list, when allowed.

    ``source`` is the file's column it is coded from: its own name, or the field it is a part of.
    """

    name: str
    kind: str
    coding: Coding
    title: str
    description: str
    public: bool
    other: str | None
    nullable: bool
    missing_values: frozenset[str]
    source: str

    @property
    def size(self) -> int:
        return self.coding.size + (self.other is not None) + self.nullable

    @property
    def labels(self) -> tuple[str, ...]:
        """One label a code: declared values or bins, then OTHER, then NULL."""
        other = () if self.other is None else (self.other,)
        return (*self.coding.labels, *other, *((MISSING,) if self.nullable else ()))

    @property
    def null(self) -> int:
        """The code of a missing cell; OUTSIDE where cells must not be missing."""
        return self.size - 1 if self.nullable else OUTSIDE

    def code(self, text: str) -> int:
        """The code of a cell's text, or OUTSIDE."""
        stripped = text.strip()
        if stripped in self.missing_values:
            return self.null
        code = self.coding.code(stripped)
        return self.coding.size if code == OUTSIDE and self.other is not None else code

    def broken_rule(self, text: str) -> str:
        """Which rule a cell coded OUTSIDE broke, without its value."""
        return "a cell is missing" if text.strip() in self.missing_values else self.coding.rule

    def decode(self, codes: IntArray, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        """Values as the input spells them; None for NULL."""
        declared = codes < self.coding.size
        if not self.coding.size:  # key discovery found none
            plain: np.ndarray[Any, Any] = np.full(len(codes), None, dtype=object)
        else:
            plain = self.coding.decode(np.where(declared, codes, 0), rng)
        if declared.all():
            return plain
        values = plain.astype(object)
        values[~declared] = self.other
        if self.nullable:
            values[codes == self.null] = None
        return values
