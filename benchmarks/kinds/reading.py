"""Files as they come: other encodings and spellings of the same values, and values that nobody declared.

A cell that the declaration does not know counts as what its field declares under ``unlisted``, or its row is left out
where the table declares ``"incomplete": "drop"``; otherwise the file is refused. All of it is said beforehand, cell by
cell and of each unit by itself, so that it costs no privacy; how often it came to pass is told beside the results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.moments import spelling
from privacy.schema_dates import DatePart
from privacy.schema_fields import OUTSIDE, Column, Cuts

ENCODINGS = ("utf-8-sig", "cp1252")  # the second where the first cannot be: every byte but five is a character of it
OF_FIELDS = ("unlisted", "alsoWritten", "extent", "extentOf")
"""What a field declares here beside the keys of a Table Schema: the value that unknown and missing cells count as,
other formats of its dates, and how far it may reach (benchmarks.kinds.extents)."""
WHOLE = r"^([+-]?\d+)\.0+$"


class BadData(ValueError):
    """A declaration or a file that does not fit; the message names it, its columns and the rule."""


def found(folder: Path, name: str) -> Path:
    """The file of that name, or the one that is packed, or unpacked, where that is there instead."""
    other = name.removesuffix(".gz") if name.endswith(".gz") else f"{name}.gz"
    return folder / (name if (folder / name).exists() or not (folder / other).exists() else other)


def texts(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The cells of these columns, without the space around them. BadData where columns or the table are not there."""
    frame = _opened(path).fillna("")
    frame.columns = frame.columns.str.strip()
    if missing := set(columns) - set(frame.columns):
        raise BadData(f"{path.name}: has no columns {sorted(missing)}")
    return frame[list(columns)].apply(lambda cells: cells.str.strip())


def _opened(path: Path) -> pd.DataFrame:
    for encoding in ENCODINGS:
        try:
            return pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False, encoding=encoding)
        except UnicodeDecodeError:
            continue
        except (OSError, ValueError) as error:
            raise BadData(f"{path.name}: cannot be read as a table ({type(error).__name__})") from None
    raise BadData(f"{path.name}: is neither UTF-8 nor Windows-1252")


def keys(cells: pd.Series) -> pd.Series:
    """Keys: a whole number that was written with a decimal point is that number."""
    return cells.str.replace(WHOLE, r"\1", regex=True)


@dataclass(frozen=True)
class Field:
    """One field of a file and the columns it is coded as; ``declared`` holds OF_FIELDS where they were said."""

    columns: Sequence[Column]
    declared: Mapping[str, Any]

    def read(self, cells: pd.Series, told: Counter[str]) -> pd.Series:
        """The cells as the declaration spells them; what it does not know stays, unless ``unlisted`` says what it
        counts as.
        """
        distinct = {text: self._known(text) for text in cells.unique()}
        unknown, instead = {text for text, known in distinct.items() if known is None}, self.declared.get("unlisted")
        beyond = {text for text, known in distinct.items() if known is not None and self._beyond(known)}
        if count := int(cells.isin(beyond | (unknown if instead is not None else set())).sum()):
            told[self.columns[0].source] += count
        spelled = {text: (text if instead is None else instead) if known is None else known
                   for text, known in distinct.items()}  # fmt: skip
        return cells.map(spelled)

    def fits(self, text: str) -> bool:
        """Whether the declaration has a code for it."""
        return all(column.code(text) != OUTSIDE for column in self.columns)

    def fitting(self, cells: pd.Series) -> NDArray[np.bool_]:
        """Whether the declaration has a code for each."""
        return cells.map({text: self.fits(text) for text in cells.unique()}).to_numpy(dtype=bool)

    def broken_rule(self, cells: pd.Series) -> str:
        """What the first cell that does not fit is not."""
        column, text = next((c, text) for text in cells for c in self.columns if c.code(text) == OUTSIDE)
        return column.broken_rule(text)

    def _known(self, text: str) -> str | None:
        """How the declaration spells this value, if it knows it."""
        ways: list[Callable[[], str | None]] = [
            lambda: text, lambda: f"{text}.0" if text.isdecimal() else None, lambda: text.removesuffix(".0"),
            lambda: self._moment(text),
        ]  # fmt: skip
        tried = (way() for way in ways)
        return next((each for each in tried if each is not None and self.fits(each)), None)

    def _moment(self, text: str) -> str | None:
        coding = self.columns[0].coding
        if not isinstance(coding, DatePart):
            return None
        known = (spelling(coding.calendar.kind, each) for each in self.declared.get("alsoWritten", ()))
        moments = (each.read(text) for each in known if each is not None)
        moment = next((each for each in moments if each is not None), None)
        return None if moment is None else coding.calendar.spelling.write(moment)

    def _beyond(self, text: str) -> bool:
        """Whether it counts as something else: a bound, or OTHER."""
        column = self.columns[0]
        coding = column.coding
        if isinstance(coding, DatePart):
            return coding.calendar.clamp and replace(coding.calendar, clamp=False).read(text) is None
        if text in column.missing_values:
            return False
        if isinstance(coding, Cuts):
            return coding.clamp and replace(coding, clamp=False).code(text) == OUTSIDE
        return column.other is not None and text != column.other and coding.code(text) == OUTSIDE
