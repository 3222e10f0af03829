"""Reads one declared field: a column to be measured, free text, or an identifier of the privacy unit or its levels."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise
from typing import Literal, cast

from privacy.moments import MomentKind
from privacy.schema_dates import DatePart, read_calendar
from privacy.schema_fields import MISSING, Categories, Coding, Column, Cuts
from privacy.schema_groups import Grouped, read_groups
from privacy.schema_keys import Undiscovered, read_discovery
from privacy.schema_reading import Reader, as_decimal
from privacy.schema_texts import Written, read_free_text

MAX_CODES = 2000
MAX_DECIMALS = 9
LARGEST_STEP = 10**15
MOMENTS = ("date", "datetime", "time")
TYPES = ("string", "integer", "number", "boolean", *MOMENTS)
TRUE_VALUES = ("true", "True", "TRUE", "1")
FALSE_VALUES = ("false", "False", "FALSE", "0")

Excluded = Literal["free text", "identifier"]
Role = tuple[Column, ...] | Excluded | Written


def read_field(field: Reader, *, public: bool, missing: frozenset[str], is_identifier: bool) -> Role | None:
    """What the field declares, or None after noting its problems."""
    before = len(field.problems)
    title, description = field.text("title", default=""), field.text("description", default="")
    kind = field.choice("type", TYPES)
    if is_identifier:
        field.done()
        return "identifier" if len(field.problems) == before else None
    if field.has("freeText") and field.get("freeText") is not False:
        written = read_free_text(field, kind)
        field.done()
        return (written or "free text") if len(field.problems) == before else None
    shown = field.flag("publicLabels", default=public)
    constraints = Reader(
        field.get("constraints") or {}, column=field.column, problems=field.problems, what="constraints"
    )
    nullable = not constraints.flag("required", default=False)
    codings = _codings(field, constraints, kind)
    constraints.done()
    field.done()
    if len(field.problems) > before:
        return None
    for coding, other, _ in codings:
        _check_codes(field, coding, other, missing)
    return tuple(
        Column(
            f"{field.column}{part and '.'}{part}", kind, coding, f"{title} ({part})" if title and part else title,
            description, shown, other, nullable, missing, field.column,
        )
        for coding, other, part in codings
    )  # fmt: skip


def _codings(field: Reader, constraints: Reader, kind: str) -> tuple[tuple[Coding, str | None, str], ...]:
    """What the field's columns count: coding, label of other values, and which part it is (empty for the whole)."""
    if kind in MOMENTS:
        calendar = read_calendar(field, constraints, cast("MomentKind", kind))
        return () if calendar is None else tuple((DatePart(calendar, part), None, part) for part in calendar.parts)
    coding, other = _coding(field, constraints, kind)
    return () if coding is None else ((coding, other, ""),)


def _coding(field: Reader, constraints: Reader, kind: str) -> tuple[Coding | None, str | None]:
    if kind == "boolean":
        return _boolean(field), None
    if kind == "string" and field.has("grouping"):
        grouped = read_groups(field)
        return grouped, _other(field, grouped.labels if grouped else ())
    if kind == "string" and field.has("discover"):
        other = _other(field, ())
        if other is None:
            field.problem("'discover' needs 'other': what every value counts as that is not found")
        return read_discovery(field), other
    if kind == "string" or field.has("categories"):
        return _categories(field, kind)
    return _cuts(field, constraints, integer=kind == "integer"), None


def _boolean(field: Reader) -> Categories:
    false = field.texts("falseValues", default=FALSE_VALUES)
    true = field.texts("trueValues", default=TRUE_VALUES)
    if set(true) & set(false):
        field.problem("'trueValues' and 'falseValues' must not share a spelling")
    spellings = {**dict.fromkeys(false, 0), **dict.fromkeys(true, 1)}
    return Categories((false[0], true[0]), spellings)


def _categories(field: Reader, kind: str) -> tuple[Coding | None, str | None]:
    if kind == "number":
        field.problem("a field of type number has bins, not categories")
        return None, None
    values = field.texts("categories") if kind == "string" else _whole_texts(field)
    return Categories(values, {value: code for code, value in enumerate(values)}), _other(field, values)


def _other(field: Reader, values: tuple[str, ...]) -> str | None:
    other = field.text("other", default="") or None
    if other in values:
        field.problem("'other' must be a label that is not among the categories")
    return other


def _whole_texts(field: Reader) -> tuple[str, ...]:
    values = field.get("categories")
    if isinstance(values, list) and values and all(type(each) is int for each in values):
        texts = tuple(str(each) for each in values)
        if len(set(texts)) == len(texts):
            return texts
    field.problem("'categories' of an integer field must be a list of distinct whole numbers")
    return ()


def _cuts(field: Reader, constraints: Reader, *, integer: bool) -> Cuts | None:
    before = len(field.problems)
    declared = field.get("bins")
    decimals = 0 if integer else field.whole("decimals", least=0, most=MAX_DECIMALS, default=2)
    clamp = field.choice("outside", ("refuse", "clamp"), default="refuse") == "clamp"
    low = _step(constraints, "minimum", constraints.decimal("minimum"), decimals)
    high = _step(constraints, "maximum", constraints.decimal("maximum"), decimals)
    if low is None or high is None:
        return None
    if low >= high:
        constraints.problem("minimum must be below maximum")
        return None
    starts = _starts(field, declared, low, high, decimals, integer=integer)
    if len(field.problems) > before:
        return None
    return Cuts(starts, high, decimals, integer, clamp)


def _step(reader: Reader, key: str, value: Decimal | None, decimals: int) -> int | None:
    """The value as a whole number of steps of ``10 ** -decimals``."""
    if value is None:
        return None
    scaled = value.scaleb(decimals)
    if scaled != scaled.to_integral_value() or abs(scaled) > LARGEST_STEP:
        kind = "a whole number" if decimals == 0 else f"a number with at most {decimals} decimals"
        reader.problem(f"'{key}' must be {kind} of moderate size")
        return None
    return int(scaled)


def _starts(field: Reader, declared: object, low: int, high: int, decimals: int, *, integer: bool) -> tuple[int, ...]:
    """Lowest steps of the bins, ascending; empty after a problem."""
    if declared is None and integer:
        if high - low < MAX_CODES:
            return tuple(range(low, high + 1))
        field.problem(f"more than {MAX_CODES} whole numbers: declare 'bins'")
        return ()
    bins = Reader(declared, column=field.column, problems=field.problems, what="'bins'")
    kind = bins.one_of(("equalWidth", "log", "cutPoints"))
    starts = _points(bins, kind, low, high, decimals, integer=integer) if kind else ()
    bins.done()
    ascending = all(left < right for left, right in pairwise(starts))
    if starts and not (ascending and starts[0] == low and starts[-1] <= high):
        bins.problem("cut points must ascend from minimum to maximum and differ at the declared decimals")
        return ()
    return starts


def _points(bins: Reader, kind: str, low: int, high: int, decimals: int, *, integer: bool) -> tuple[int, ...]:
    if kind == "cutPoints":
        return _declared(bins, low, decimals)
    count = bins.whole(kind, least=1, most=MAX_CODES)
    if kind == "equalWidth":
        width = high - low + integer
        return tuple(low + -(-place * width // count) for place in range(count))
    if low <= 0:
        bins.problem("'log' bins need a minimum above 0")
        return ()
    ratio = math.log(high / low)
    return (low, *(round(low * math.exp(ratio * place / count)) for place in range(1, count)))


def _declared(bins: Reader, low: int, decimals: int) -> tuple[int, ...]:
    points = bins.get("cutPoints")
    if not isinstance(points, list) or not points or len(points) >= MAX_CODES:
        bins.problem(f"'cutPoints' must be a list of at most {MAX_CODES - 1} numbers that is not empty")
        return ()
    steps = []
    for point in points:
        value = as_decimal(point)
        if value is None:
            bins.problem("'cutPoints' must hold finite numbers")
            return ()
        steps.append(_step(bins, "cutPoints", value, decimals))
    return (low, *(step for step in steps if step is not None)) if None not in steps else ()


def _check_codes(field: Reader, coding: Coding, other: str | None, missing: frozenset[str]) -> None:
    if coding.size > MAX_CODES:
        field.problem(f"a column has at most {MAX_CODES} categories or bins")
    labels = () if isinstance(coding, Undiscovered) else coding.labels
    written = coding.written if isinstance(coding, Grouped) else ()
    if (missing | {MISSING}) & {*labels, *written, other}:
        field.problem("a declared value or 'other' is also how a missing cell is written")
