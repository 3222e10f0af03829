"""Where the marks of a report's drawings stand: plain numbers in user units of each drawing's view box. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unicodedata import east_asian_width

from synthesis.report.purpose import BEYOND, CHANCE, NOISE, WITHIN, pairs_of, standing

Facts = dict[str, Any]

STRIP_WIDTH, ROW = 860.0, 34.0
FURTHEST = 4.0
"""Residuals beyond so many times their noise stand at the edge of the strip."""
LEVELS = ((1.0, "level-1"), (NOISE, "level-2"), (2.5, "level-3"))
DOTS = {WITHIN: "met", CHANCE: "chance", BEYOND: "off"}
SHOWN = 10
BARS_LEFT, BARS_WIDTH, LINE = 112.0, 176.0, 18.0
ROOM, USUAL, CAPITAL, WIDE = 104.0, 7.6, 9.2, 12.6
"""Left of a bar, and at most what characters take of it in the widest of the fonts that a reader may have."""


def strip(tables: Sequence[Facts]) -> Facts:
    """One dot a released table, a row for each number of columns; ``x`` tells residual over noise."""
    arities = sorted({len(one["columns"]) for one in tables})
    dots = [dot(one, arities.index(len(one["columns"])), i) for i, one in enumerate(tables)]
    rows = [{"y": 20 + ROW * i, "columns": columns} for i, columns in enumerate(arities)]
    height = ROW * len(arities) + 26
    ticks = [{"x": 80 + along(at), "label": f"{at:g}"} for at in range(int(FURTHEST) + 1)]
    return {
        "dots": dots,
        "rows": rows,
        "height": height,
        "ticks": ticks,
        "limit": 80 + along(NOISE),
        "foot": height - 8,
    }


def dot(one: Facts, row: int, number: int) -> Facts:
    """Neighbours stand at three heights, so that dots of one value do not hide each other."""
    at = {"x": 80 + along(one["residual_over_sigma"]), "y": 16 + ROW * row + 5 * (number % 3 - 1)}
    return at | {"kind": DOTS[standing(one)]}


def along(residual: float) -> float:
    return round(min(float(residual), FURTHEST) / FURTHEST * (STRIP_WIDTH - 100), 1)


def heat(names: Sequence[str], tables: Sequence[Facts]) -> Facts:
    """Every pair of columns, once: how well it is met, or that no statistic holds it."""
    side = max(9.0, min(26.0, 640.0 / max(len(names), 1)))
    cells = [
        cell(150 + side * names.index(a), 20 + side * names.index(b), side - 1)
        | {"level": level(found), "pair": f"{a}, {b}", "residual": in_words(found)}
        for (a, b), found in pairs_of(names, tables).items()
    ]  # fmt: skip
    labels = [{"y": 20 + side * (i + 0.72), "x": 150 + side * (i + 0.5), "name": name} for i, name in enumerate(names)]
    extent = side * len(names)
    return {
        "cells": cells, "labels": labels, "side": side - 1, "spot": round(side / 5, 1), "width": 160 + extent,
        "height": 30 + extent, "type": "small" if side < 14 else "",
    }  # fmt: skip


def cell(x: float, y: float, side: float) -> Facts:
    return {"x": x, "y": y, "mid_x": round(x + side / 2, 1), "mid_y": round(y + side / 2, 1)}


def level(found: Facts | None) -> str:
    if found is None:
        return "level-0"
    if standing(found) == CHANCE:
        return "level-chance"
    return next((name for most, name in LEVELS if found["residual_over_sigma"] <= most), "level-4")


def in_words(found: Facts | None) -> str:
    if found is None:
        return "never measured"
    chance = ", no more than so few rows miss by chance" if standing(found) == CHANCE else ""
    return f"{found['residual_over_sigma']:g} times the noise{chance}"


def bars(column: Facts) -> Facts:
    """A column's commonest values: a bar for the synthetic share, a mark and its noise for the released one."""
    values = column["values"][:SHOWN]
    furthest = [one["noised"] + one.get("both", column["band"]) for one in values]
    top = max([*furthest, *(one["synthetic"] for one in values), 1e-9])
    lines = [line(one, number, column["band"], BARS_WIDTH / top) for number, one in enumerate(values)]
    left_out = len(column["values"]) - len(values) + (column["others"]["values"] if column["others"] else 0)
    return column | {"lines": lines, "height": LINE * len(lines) + 6, "left_out": left_out}


def line(one: Facts, number: int, band: float, unit: float) -> Facts:
    name = str(one["value"])
    low, high = ends(one["noised"], band, unit)
    least, most = ends(one["noised"], one.get("both", band), unit)
    return {
        "name": fitting(name), "text_y": LINE * number + 13,
        "y": LINE * number + 4, "middle": LINE * number + 9, "width": round(one["synthetic"] * unit, 1),
        "mark": round(BARS_LEFT + one["noised"] * unit, 1), "low": low, "high": high, "least": least, "most": most,
    }  # fmt: skip


def fitting(name: str) -> str:
    """The whole name, or as much of it as has room left of its bar."""
    taken = 0.0
    for place, mark in enumerate(name):
        taken += width(mark)
        if taken > ROOM:
            return name[: max(place - 2, 1)] + "…"
    return name


def width(mark: str) -> float:
    if mark in "mwMW@%" or east_asian_width(mark) in "WF":
        return WIDE
    return CAPITAL if mark.isupper() else USUAL


def ends(share: float, band: float, unit: float) -> tuple[float, float]:
    """Where a whisker begins and ends."""
    return round(BARS_LEFT + max(0.0, share - band) * unit, 1), round(BARS_LEFT + (share + band) * unit, 1)
