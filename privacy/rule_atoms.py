"""What one condition of a rule says of a declared column's codes. Decided by codes alone, never by data.

A comparison with a missing cell is false, and so is an order comparison with an OTHER value; ``!=`` and
``not in`` are the opposites of ``==`` and ``in``. A bin that a number would cut in two is refused: whether a
synthetic value keeps the rule must follow from its code.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np
from numpy.typing import NDArray

from privacy.rule_syntax import Among, Comparison, Name, RuleError, Value
from privacy.schema_dates import DatePart
from privacy.schema_fields import Categories, Column, Cuts

Mask = NDArray[np.bool_]
"""For each code of a column, or each pair of codes of two columns, whether a condition holds."""

NUMBERED_PARTS = ("year", "quarter", "month", "hour")
COMPARE: dict[Comparison, Callable[[NDArray[np.float64], NDArray[np.float64]], Mask]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal,
    ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip


def missing(column: Column, name: Name) -> Mask:
    if not column.nullable:
        raise RuleError("a cell of this column is never missing", name.position, column.name)
    return _only(column, {column.null})


def among(column: Column, condition: Among) -> Mask:
    return _only(column, {_code(column, value) for value in condition.values})


def against_value(column: Column, sign: Comparison, value: Value) -> Mask:
    if sign in ("==", "!="):
        found = _only(column, {_code(column, value)})
        return found if sign == "==" else ~found
    if not isinstance(value.content, Decimal):
        raise RuleError("only numbers are smaller or larger", value.position, column.name)
    if isinstance(column.coding, Cuts):
        return _beside(column, column.coding, sign, value)
    return COMPARE[sign](_numbers(column, value.position), np.array(float(value.content)))


def against_column(left: Column, sign: Comparison, right: Column, position: int) -> Mask:
    """Codes of the left column x codes of the right one."""
    if _is_numbered(left) and _is_numbered(right):
        first, second = _numbers(left, position), _numbers(right, position)
        return COMPARE[sign](first[:, None], second[None, :])
    if sign not in ("==", "!=") or Cuts in (type(left.coding), type(right.coding)):
        name = next(each.name for each in (left, right) if not _is_numbered(each))
        raise RuleError("columns are compared where each code is one number", position, name)
    words = dict.fromkeys((*_texts(left), *_texts(right)))
    number = {word: np.nan if word is None else float(place) for place, word in enumerate(words)}
    first, second = (np.array([number[word] for word in _texts(each)]) for each in (left, right))
    return COMPARE[sign](first[:, None], second[None, :])


def _only(column: Column, codes: set[int]) -> Mask:
    found = np.zeros(column.size, bool)
    found[list(codes)] = True
    return found


def _code(column: Column, value: Value) -> int:
    """The one code that a literal stands for."""
    match value.content:
        case bool() as truth:
            found = int(truth) if column.kind == "boolean" else None
        case Decimal() as number:
            if isinstance(column.coding, Cuts):
                return _bin_of(column, column.coding, number, value.position)
            places = np.flatnonzero(_numbers(column, value.position) == float(number))
            found = int(places[0]) if len(places) else None
        case text:
            found = _code_of_text(column, text)
    if found is None:
        raise RuleError("this is not a declared value of the column", value.position, column.name)
    return found


def _code_of_text(column: Column, text: str) -> int | None:
    if text == column.other:
        return column.coding.size
    if isinstance(column.coding, Categories):
        return column.coding.spellings.get(text)
    labels = column.coding.labels
    return labels.index(text) if text in labels else None


def _texts(column: Column) -> list[str | None]:
    """What each code is written as; None for a missing cell."""
    return [*column.labels[: column.size - column.nullable], *([None] if column.nullable else [])]


def _is_numbered(column: Column) -> bool:
    """Whether each declared code of the column is one number."""
    match column.coding:
        case Cuts() as cuts:
            return cuts.starts == cuts.ends
        case DatePart() as part:
            return part.part in NUMBERED_PARTS
        case Categories():
            return column.kind == "integer"
    return False


def _numbers(column: Column, position: int) -> NDArray[np.float64]:
    """The number of each code; not a number for OTHER and a missing cell."""
    if not _is_numbered(column):
        raise RuleError("this column holds no numbers: write its values as quoted texts", position, column.name)
    match column.coding:
        case Cuts() as cuts:
            known = [start / 10**cuts.decimals for start in cuts.starts]
        case DatePart() as part:
            known = [float(value) for value in part.values]
        case _:
            known = [float(label) for label in column.coding.labels]
    return np.array(known + [np.nan] * (column.size - len(known)))


def _bin_of(column: Column, cuts: Cuts, number: Decimal, position: int) -> int:
    """The code of the bin that holds this number alone."""
    step = number.scaleb(cuts.decimals)
    if step != step.to_integral_value() or not cuts.starts[0] <= step <= cuts.last:
        raise RuleError("this number is beyond the column's bounds or decimals", position, column.name)
    for code, (low, high) in enumerate(zip(cuts.starts, cuts.ends, strict=True)):
        if low == high == step:
            return code
    edges = f"{_shown(int(step), cuts)} and {_shown(int(step) + 1, cuts)}"
    raise RuleError(f"no bin holds this number alone: cut the bins at {edges}", position, column.name)


def _beside(column: Column, cuts: Cuts, sign: Comparison, value: Value) -> Mask:
    """Which bins lie on the wanted side of a number; a bin on both sides is refused."""
    assert isinstance(value.content, Decimal)
    step = value.content.scaleb(cuts.decimals)
    first_above = int(step.to_integral_value(ROUND_CEILING))  # the lowest step that is not below the number
    if sign in ("<=", ">"):
        first_above = int(step.to_integral_value(ROUND_FLOOR)) + 1
    lows, highs = np.array(cuts.starts), np.array(cuts.ends)
    below = highs < first_above
    if not (below | (lows >= first_above)).all():
        told = f"a bin runs across this number: cut the bins at {_shown(first_above, cuts)}"
        raise RuleError(told, value.position, column.name)
    wanted = below if sign in ("<", "<=") else ~below
    return np.concatenate([wanted, np.zeros(column.size - cuts.size, bool)])


def _shown(step: int, cuts: Cuts) -> str:
    return f"{Decimal(step).scaleb(-cuts.decimals).normalize():f}"
