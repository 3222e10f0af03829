"""Dates and times: each declared part is a column of its own, and one coherent value is made of them again.

Only the declared parts are measured. A synthetic value agrees with all of them; what is not among them (the
day of the month, the minute) is drawn evenly and says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any, cast

import numpy as np

from privacy.moments import FORMAT_RULE, MomentKind, Spelling, spelling
from privacy.schema_fields import OUTSIDE, Column
from privacy.schema_reading import Reader
from privacy.values import IntArray

PARTS = ("year", "quarter", "month", "weekday", "hour")
PARTS_OF = {"date": PARTS[:4], "datetime": PARTS, "time": PARTS[4:]}
LONGEST_RANGE = timedelta(days=200 * 366)
ANY = -1
"""A part that a record leaves open."""
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Calendar:
    """What one field of dates or times may hold; ``first`` and ``last`` are public days, equal for times."""

    kind: MomentKind
    parts: tuple[str, ...]
    first: date
    last: date
    clamp: bool
    spelling: Spelling

    def read(self, text: str) -> datetime | None:
        """The moment within the bounds, or None."""
        moment = self.spelling.read(text)
        if moment is None or self.kind == "time":
            return moment
        if self.first <= moment.date() <= self.last:
            return moment
        bound = self.first if moment.date() < self.first else self.last
        return datetime.combine(bound, moment.time()) if self.clamp else None

    @cached_property
    def days(self) -> IntArray:
        """Every day from first to last: days x (year, quarter, month, weekday)."""
        days = np.arange(np.datetime64(self.first, "D"), np.datetime64(self.last, "D") + 1)
        months, since_1970 = days.astype("datetime64[M]").astype(np.int64), days.astype(np.int64)
        year, month = months // 12 + 1970, months % 12 + 1
        return np.stack([year, (month + 2) // 3, month, (since_1970 + 3) % 7], axis=1)

    def values(self, part: str) -> tuple[int, ...]:
        """What the part can be between the bounds, ascending."""
        if part == "hour":
            return tuple(range(24))
        return tuple(np.unique(self.days[:, PARTS.index(part)]).tolist())


@dataclass(frozen=True)
class DatePart:
    """One part of a calendar's moments, as a coding of a column of its own."""

    calendar: Calendar
    part: str

    @property
    def size(self) -> int:
        return len(self.values)

    @cached_property
    def values(self) -> tuple[int, ...]:
        return self.calendar.values(self.part)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        return tuple(_label(self.part, value) for value in self.values)

    @property
    def rule(self) -> str:
        kind = {"date": "a date", "datetime": "a date and time", "time": "a time"}[self.calendar.kind]
        known = f"a value is not {kind} written as declared"
        if self.calendar.clamp or self.calendar.kind == "time":
            return known
        return f"{known}, from {self.calendar.first} to {self.calendar.last}"

    def code(self, text: str) -> int:
        moment = self.calendar.read(text)
        return OUTSIDE if moment is None else self._codes[part_of(moment, self.part)]

    def decode(self, codes: IntArray, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        """The part alone, by its label; ``regenerate`` makes whole values."""
        return np.array(self.labels, dtype=object)[codes]

    @cached_property
    def _codes(self) -> dict[int, int]:
        return {value: code for code, value in enumerate(self.values)}


def part_of(moment: date, part: str) -> int:
    if part == "weekday":
        return moment.weekday()
    if part == "quarter":
        return (moment.month + 2) // 3
    return int(getattr(moment, part))


def regenerate(columns: Sequence[Column], codes: IntArray, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Whole values, as the file spells them, from rows x parts codes of one field's columns.

    A value is missing where its first declared part is; any other missing part is left open. A combination
    that no day between the bounds has (a Friday in a month of three days) keeps its coarser parts.
    """
    parts = [cast("DatePart", column.coding) for column in columns]
    wanted = np.full((len(codes), len(PARTS)), ANY, dtype=np.int64)
    for place, part in enumerate(parts):
        known = np.array([*part.values, *[ANY] * (columns[place].size - part.size)], dtype=np.int64)
        wanted[:, PARTS.index(part.part)] = known[codes[:, place]]
    there = codes[:, 0] < parts[0].size
    values = np.full(len(codes), None, dtype=object)
    if there.any():
        values[there] = _written(parts[0].calendar, wanted[there], rng)
    return values


def _written(calendar: Calendar, wanted: IntArray, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """One text a row that agrees with the row's wanted parts."""
    offsets = _days(calendar, wanted[:, :4], rng)
    hours = np.where(wanted[:, 4] == ANY, rng.integers(0, 24, len(wanted)), wanted[:, 4])
    minutes, seconds = rng.integers(0, 60, (2, len(wanted)))
    midnights = [datetime.combine(calendar.first, time()) + timedelta(days=day) for day in range(len(calendar.days))]
    clock = zip(offsets.tolist(), hours.tolist(), minutes.tolist(), seconds.tolist(), strict=True)
    written = np.empty(len(wanted), dtype=object)
    for row, (offset, hour, minute, second) in enumerate(clock):
        written[row] = calendar.spelling.write(midnights[offset].replace(hour=hour, minute=minute, second=second))
    return written


def _days(calendar: Calendar, wanted: IntArray, rng: np.random.Generator) -> IntArray:
    """For each row a day that has its wanted parts, evenly drawn, as an offset from the first."""
    chosen = np.zeros(len(wanted), dtype=np.int64)
    keys = np.ravel_multi_index(tuple((wanted + 1).T), (10_001, 6, 14, 8))
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    rows_of = np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which, minlength=len(first)))[:-1])
    for example, rows in zip(first, rows_of, strict=True):
        chosen[rows] = rng.choice(_matching(calendar.days, wanted[example]), len(rows))
    return chosen


def _matching(days: IntArray, combination: IntArray) -> IntArray:
    """Days with the coarsest parts first: a finer part that no remaining day has is given up."""
    matching = np.arange(len(days))
    for place, value in enumerate(combination):
        narrower = matching if value == ANY else matching[days[matching, place] == value]
        matching = narrower if len(narrower) else matching
    return matching


def _label(part: str, value: int) -> str:
    labels = {
        "quarter": lambda: f"Q{value}",
        "month": lambda: _MONTHS[value - 1],
        "weekday": lambda: _WEEKDAYS[value],
        "hour": lambda: f"{value:02d}:00 to {value:02d}:59",
    }
    return labels[part]() if part in labels else str(value)


def read_calendar(field: Reader, constraints: Reader, kind: MomentKind) -> Calendar | None:
    """What a field of dates or times declares, or None after noting its problems."""
    before = len(field.problems)
    parts = field.texts("parts", default=("hour",) if kind == "time" else None)
    allowed = PARTS_OF[kind]
    if not set(parts) <= set(allowed):
        field.problem(f"'parts' of a {kind} must be among: {', '.join(allowed)}")
    if {"quarter", "month"} <= set(parts):
        field.problem("'parts' holds the quarter or the month, not both: the month says the quarter")
    written = spelling(kind, field.text("format", default="default"))
    if written is None:
        field.problem(FORMAT_RULE)
    first = last = date(2000, 1, 1)
    clamp = False
    if kind != "time":
        clamp = field.choice("outside", ("refuse", "clamp"), default="refuse") == "clamp"
        first, last = _bounds(constraints)
    if len(field.problems) > before or written is None:
        return None
    return Calendar(kind, parts, first, last, clamp, written)


def _bounds(constraints: Reader) -> tuple[date, date]:
    first, last = (_day(constraints, key) for key in ("minimum", "maximum"))
    if first is not None and last is not None and not first < last <= first + LONGEST_RANGE:
        constraints.problem("minimum must be before maximum, and at most 200 years before it")
    return first or date.min, last or date.max


def _day(constraints: Reader, key: str) -> date | None:
    text = constraints.text(key)
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        day = None
    if day is None and isinstance(constraints.get(key), str):
        constraints.problem(f"'{key}' must be a day written as YYYY-MM-DD")
    return day
