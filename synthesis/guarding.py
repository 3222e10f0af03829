"""Cells that a spreadsheet would run as a formula, disarmed. Pure."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def guard_cell(cell: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would run as a formula; numbers stay as they are."""
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) and not NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def guarded(table: pd.DataFrame) -> pd.DataFrame:
    """The table for CSV, with formulas disarmed in column names and text cells. (OWASP: CSV injection.)"""
    text = table.select_dtypes(include=["object", "string", "category"]).columns
    return table.assign(**{name: guarded_column(table[name]) for name in text}).rename(columns=guard_cell)


def guarded_column(cells: pd.Series[Any]) -> pd.Series[Any]:
    """The cells, disarmed; distinct cells are looked at once."""
    dangerous = any(guard_cell(cell) is not cell for cell in cells.unique())
    return cells.map(guard_cell) if dangerous else cells
