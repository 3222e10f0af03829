"""The rules of a declaration as expressions over a table in its owner's engine: coding, bounding, and what is wrong.

Every code depends on its row alone, by the rules that code a file's cells (privacy/schema_fields.py and its
neighbours). A row that breaks the declaration is counted nowhere, so that no later count can fail on a value; whether
there are such rows is said once, to the owner, when the table is looked at. What one unit contributes is bounded by a
priority of each row that follows from the version's key, the unit and the row alone.
"""

from __future__ import annotations

from typing import Any

import ibis

from privacy.problems import Problem
from privacy.schema import Schema
from privacy.schema_dates import DatePart, part_of
from privacy.schema_fields import OUTSIDE, Categories, Column, Cuts
from privacy.schema_groups import Grouped
from privacy.schema_source import Source

Expression = Any
"""Of Ibis, whose own types say little."""
UNIT, ROW, KNOWN, RANK = "unit", "row", "known", "rank"
LARGEST_WHOLE = 10**18
"""Above this no number of a column that is no column of integers counts as whole: larger ones do not fit 64 bits."""
MOST_DIGITS = 38
"""A decimal of so many is always a double's, if not to the last digit."""
MICROSECONDS = 6


@ibis.udf.scalar.builtin(name="sha256")
def _duckdb_sha256(text: str) -> str: ...  # type: ignore[empty-body]


@ibis.udf.scalar.builtin(name="sha2")
def _spark_sha2(text: str, bits: int) -> str: ...  # type: ignore[empty-body]


@ibis.udf.scalar.builtin(name="sha256")
def _postgres_sha256(content: bytes) -> bytes: ...  # type: ignore[empty-body]


@ibis.udf.scalar.builtin(name="convert_to")
def _postgres_bytes(text: str, encoding: str) -> bytes: ...  # type: ignore[empty-body]


@ibis.udf.scalar.builtin(name="encode")
def _postgres_spelled(content: bytes, form: str) -> str: ...  # type: ignore[empty-body]


def misfits(table: Expression, schema: Schema, source: Source) -> list[Problem]:
    """What is wrong with the table's columns and their types, by name; no row is looked at."""
    found = []
    for name in dict.fromkeys(column.source for column in schema.columns):
        column = next(each for each in schema.columns if each.source == name)
        if name not in table.columns:
            found.append(Problem(name, "the table has no such column"))
        elif rule := _misfit(column, table[name].type()):
            found.append(Problem(name, rule))
    for name in filter(None, (schema.unit.column, source.row_key)):
        if name not in table.columns:
            found.append(Problem(name, "the table has no such column"))
        elif not _names_things(table[name].type()):
            found.append(Problem(name, "identifiers must be texts, whole numbers or UUIDs in the engine"))
    return found


def _misfit(column: Column, kind: Any) -> str:
    """Which rule the type of the engine's column breaks; empty where it breaks none."""
    if isinstance(column.coding, Cuts):
        return "" if kind.is_numeric() else "the engine's column must be of a numeric type"
    if isinstance(column.coding, DatePart):
        wanted = column.coding.calendar.kind
        if wanted == "time":
            return "" if kind.is_time() or kind.is_timestamp() else "the engine's column must be a time of day"
        if kind.is_timestamp() and kind.timezone not in (None, "UTC"):
            return "times with a zone cannot be counted: give a column that has them without one"
        fits = kind.is_timestamp() or (wanted == "date" and kind.is_date())
        return "" if fits else "the engine's column must be of a type for dates or times"
    fits = kind.is_string() or kind.is_integer() or kind.is_boolean() or kind.is_uuid()
    return "" if fits else "categories must be texts, whole numbers or truth values in the engine"


def _names_things(kind: Any) -> bool:
    return bool(kind.is_string() or kind.is_integer() or kind.is_uuid())


def faults(table: Expression, schema: Schema) -> Expression:
    """One row: how many rows there are (``rows``), and for the n-th column how many cells are missing though they
    must not be (``missing_n``) or are outside what is declared (``outside_n``).
    """
    sums = {"rows": table.count()}
    for place, column in enumerate(schema.columns):
        wrong, missing = code(column, table[column.source]) == OUTSIDE, _missing(column, table[column.source])
        sums[f"missing_{place}"] = (wrong & missing).sum().fill_null(0)
        sums[f"outside_{place}"] = (wrong & ~missing).sum().fill_null(0)
    return table.aggregate(**sums)


def coded(table: Expression, schema: Schema, source: Source, *, key: str, kind: str) -> Expression:
    """The rows that are counted, as codes by the names of the schema's columns; ``kind``: the engine's."""
    columns = {column.name: code(column, table[column.source]) for column in schema.columns}
    unit = schema.unit.column
    if unit is None or source.row_key is None:
        return _declared(table.select(**columns), schema)
    # Not a declared name: those are printable, and this is not.
    named, row, known = f"\x01{UNIT}", f"\x01{ROW}", f"\x01{KNOWN}"
    text = _text(table[unit])
    columns[named], columns[row] = _digest(text, kind), _digest(_text(table[source.row_key]).fill_null(""), kind)
    columns[known] = text.notnull() & ~text.fill_null("").isin(sorted(schema.missing_values))
    rows = _declared(table.select(**columns), schema)
    priority = _priority(ibis.literal(key + "|") + rows[named] + "|" + rows[row], kind)
    # Rows of one rowKey follow their codes: those still alike count alike, whichever of them an engine keeps.
    order = [priority, *(rows[name] for name in schema.domain.columns)]
    ranked = rows.mutate(**{f"\x01{RANK}": ibis.row_number().over(group_by=rows[named], order_by=order)})
    kept = ranked[known] & (ranked[f"\x01{RANK}"] < schema.unit.k)
    if schema.null_identifiers == "own-unit":
        kept = kept | ~ranked[known]
    return ranked.filter(kept).select(*schema.domain.columns)


def _declared(rows: Expression, schema: Schema) -> Expression:
    """Without the rows that break the declaration anywhere."""
    return rows.filter([rows[name] != OUTSIDE for name in schema.domain.columns])


def _priority(text: Expression, kind: str) -> Expression:
    """SHA-256 of the text, which every engine orders alike."""
    if kind == "postgres":
        return _postgres_sha256(_postgres_bytes(text, "SQL_ASCII"))  # the text's bytes as they are: nothing to convert
    return _spark_sha2(text, 256) if kind == "spark" else _duckdb_sha256(text)


def _digest(text: Expression, kind: str) -> Expression:
    """In the place of a text, which may be as long as a field can be: no longer one can be made of that, or sorted."""
    hashed = _priority(text, kind)
    return _postgres_spelled(hashed, "hex") if kind == "postgres" else hashed


def code(column: Column, cell: Expression) -> Expression:
    """The code of each cell, or OUTSIDE."""
    found = _coded(column, cell)
    if column.other is not None:
        found = ibis.ifelse(found == OUTSIDE, column.coding.size, found)
    return ibis.ifelse(_missing(column, cell), column.null, found).cast("int32")


def _missing(column: Column, cell: Expression) -> Expression:
    if cell.type().is_floating() or cell.type().is_decimal():
        return cell.isnull() | _is_nan(cell).fill_null(False)
    if not cell.type().is_string():
        return cell.isnull()
    return cell.isnull() | _text(cell).isin(sorted(column.missing_values)).fill_null(False)


def _text(cell: Expression) -> Expression:
    return cell.strip() if cell.type().is_string() else cell.cast("string")


def _coded(column: Column, cell: Expression) -> Expression:
    coding = column.coding
    if isinstance(coding, Cuts):
        return _cut(coding, cell)
    if isinstance(coding, DatePart):
        return _dated(coding, cell)
    if isinstance(coding, Grouped):
        return _grouped(coding, _text(cell))
    if isinstance(coding, Categories):
        return _listed(_text(cell), coding.spellings)
    raise ValueError(f"column {column.name} cannot be counted in an engine")


def _listed(text: Expression, codes: dict[str, int], otherwise: Expression = OUTSIDE) -> Expression:
    """By exact text."""
    by_code: dict[int, list[str]] = {}
    for spelling, found in codes.items():
        by_code.setdefault(found, []).append(spelling)
    if not by_code:
        return ibis.literal(OUTSIDE) if isinstance(otherwise, int) else otherwise
    branches = [(text.isin(members), found) for found, members in by_code.items()]
    return ibis.cases(*branches, else_=otherwise)


def _grouped(coding: Grouped, text: Expression) -> Expression:
    """By exact text, then by the longest known beginning."""
    found: Expression = OUTSIDE
    for length in sorted(coding.lengths):
        members = {prefix: place for prefix, place in coding.prefixes.items() if len(prefix) == length}
        found = _listed(text.substr(0, length), members, found)
    return _listed(text, coding.values, found)


def _cut(cuts: Cuts, cell: Expression) -> Expression:
    """By the lowest value of each bin; the last bin is closed. Numbers that are none are OUTSIDE."""
    value, unit = _number(cell), 10**cuts.decimals
    low, high = cuts.starts[0] / unit, cuts.last / unit
    starts = [(value >= start / unit, place) for place, start in reversed(list(enumerate(cuts.starts)))]
    found = ibis.cases(*starts, else_=0)
    allowed = [] if cuts.clamp else [value >= low, value <= high]
    if not cell.type().is_integer():
        allowed.append(_is_finite(value))
        if cuts.integer:
            allowed.append(value == value.clip(-LARGEST_WHOLE, LARGEST_WHOLE).floor().cast(value.type()))
    for rule in allowed:
        found = ibis.ifelse(rule.fill_null(False), found, OUTSIDE)
    return found


def _number(cell: Expression) -> Expression:
    """What is compared with bounds: such that no value of the column's type makes an engine fail."""
    return cell if _is_wide(cell) else cell.cast("float64")


def _is_wide(cell: Expression) -> bool:
    """Whether its decimals may be larger or nearer to 0 than any double: in PostgreSQL alone."""
    return bool(cell.type().is_decimal() and (cell.type().precision is None or cell.type().precision > MOST_DIGITS))


def _is_nan(cell: Expression) -> Expression:
    return cell == ibis.literal("NaN").cast("decimal") if _is_wide(cell) else _number(cell).isnan()


def _is_finite(value: Expression) -> Expression:
    """Of a double or a wide decimal, where infinity less infinity is no number."""
    return value - value == 0 if _is_wide(value) else ~value.isinf()


def _dated(part: DatePart, cell: Expression) -> Expression:
    """By the declared values of the part of each moment, within the bounds or drawn to them."""
    calendar, cell = part.calendar, _moment(cell)
    found = _part(cell, part.part)
    codes = [(found == value, place) for place, value in enumerate(part.values)]
    inside = ibis.cases(*codes, else_=OUTSIDE)
    if calendar.kind == "time":
        return inside
    day = cell.date() if cell.type().is_timestamp() else cell
    outside = [inside, inside] if part.part == "hour" else [
        part.values.index(part_of(bound, part.part)) for bound in (calendar.first, calendar.last)
    ]  # fmt: skip
    early, late = outside if calendar.clamp else (OUTSIDE, OUTSIDE)
    first, last = ibis.date(calendar.first.isoformat()), ibis.date(calendar.last.isoformat())
    return ibis.cases((day < first, early), (day > last, late), else_=inside)


def _moment(cell: Expression) -> Expression:
    """With microseconds: moments that go without may be too far away for an engine to read a part off, and are null."""
    kind = cell.type()
    coarse = kind.is_timestamp() and kind.timezone is None and kind.scale is not None and kind.scale < MICROSECONDS
    return cell.try_cast(f"timestamp({MICROSECONDS})") if coarse else cell


def _part(cell: Expression, part: str) -> Expression:
    return cell.day_of_week.index() if part == "weekday" else getattr(cell, part)()
