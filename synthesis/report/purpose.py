"""What a table is fit for: columns of interest, pairs never measured, values too rare to rely on. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

Facts = dict[str, Any]

NOISE = 1.5
"""A table whose residual is at most so many times its noise agrees with what was released as far as can be told."""


WITHIN, CHANCE, BEYOND = "noise", "sampling", "beyond"
"""How a table stands: met within its noise, within noise and the synthetic table's own sampling, or by neither."""


def targets(names: Sequence[str], columns: Sequence[str], tables: Sequence[Facts]) -> list[Facts]:
    """For every declared column of interest, each other column: whether and how well the two were met together."""
    found = {frozenset(one["columns"]): one for one in worst_last(tables)}
    return [target(name, [pair(name, other, found, tables) for other in columns if other != name]) for name in names]


def target(name: str, pairs: list[Facts]) -> Facts:
    return {"column": name, "with": pairs, "unmeasured": [one["column"] for one in pairs if not one["measured"]]}


def worst_last(tables: Sequence[Facts]) -> list[Facts]:
    return sorted(tables, key=lambda one: float(one["residual_over_sigma"]))


def pair(name: str, other: str, found: dict[frozenset[str], Facts], tables: Sequence[Facts]) -> Facts:
    """The pair's own table, or else the worst of the larger ones that hold both."""
    holding = [one for one in tables if {name, other} <= set(one["columns"])]
    one = found.get(frozenset((name, other))) or (worst_last(holding)[-1] if holding else None)
    residual = one["residual_over_sigma"] if one else None
    told = {"column": other, "measured": one is not None, "residual_over_sigma": residual, "met": met(residual)}
    return told | {"standing": standing(one) if one else None}


def met(residual: float | None) -> bool:
    return residual is not None and residual <= NOISE


def standing(one: Facts) -> str:
    """Of a table by its figures. In a report from before there were bands, what noise does not explain is beyond."""
    if met(one["residual_over_sigma"]):
        return WITHIN
    return CHANCE if one["residual_over_sigma"] <= one.get("band_over_sigma", 0) else BEYOND


def share_of(tables: Sequence[Facts], *standings: str) -> float:
    """Which share of the tables stands so, of 1."""
    return round(sum(standing(one) in standings for one in tables) / max(len(tables), 1), 4)


def fitness(report: Facts) -> dict[str, list[str]]:
    """``good`` and ``poor``: what the table may be relied on for, in sentences that follow from the figures alone."""
    singles, several = report["columns"], [one for one in report["tables"] if len(one["columns"]) > 1]
    good = [f"How {kept(singles)} of {len(singles)} columns are distributed, to within the noise shown."]
    if several:
        good.append(
            f"How columns go together where that was measured: {kept(several)} of {len(several)} tables are met."
        )
    return {"good": good, "poor": [*off(singles, several), *by_chance(report, singles, several), *unknown(report)]}


def kept(tables: Sequence[Facts]) -> int:
    return sum(standing(one) == WITHIN for one in tables)


def off(singles: Sequence[Facts], several: Sequence[Facts]) -> Iterator[str]:
    """What differs from the released statistics by more than their noise and the table's own sampling."""
    both = "more than their noise and the number of rows explain"
    if found := [one["column"] for one in singles if standing(one) == BEYOND]:
        yield f"The distribution of {listed(found)}: it differs from the statistics by {both}."
    if found := [" with ".join(one["columns"]) for one in several if standing(one) == BEYOND]:
        yield f"How these go together: {listed(found)}. They differ from the statistics by {both}."


def by_chance(report: Facts, singles: Sequence[Facts], several: Sequence[Facts]) -> Iterator[str]:
    """What differs by more than noise, and by no more than so few drawn rows miss by chance."""
    found = [one["column"] for one in singles if standing(one) == CHANCE]
    found += [" with ".join(one["columns"]) for one in several if standing(one) == CHANCE]
    if found:
        yield (
            f"Shares finer than {report['rows']:,} rows can tell: {listed(found)} differ from the statistics by more "
            "than their noise, and by no more than so many drawn rows miss by chance. That is no bad fit, and a "
            "table of more rows would be nearer."
        )


def unknown(report: Facts) -> Iterator[str]:
    """What no statistic tells, or none tells well enough."""
    if pairs := report["never_measured"]:
        yield (
            f"How {len(pairs)} pairs of columns go together that no statistic holds: whatever the table shows of them "
            "follows from other statistics, or is chance."
        )
    if rare := [f"{one['rare_values']} of {one['column']}" for one in report["columns"] if one["rare_values"]]:
        yield f"Rare values: {listed(rare)} cannot be told from none."
    yield "Any single row: it is made up. Counts of a few rows, and groups too small to stand out of the noise."


def listed(found: Sequence[str], most: int = 6) -> str:
    """Names in words, the first few of many."""
    words = ", ".join(found[:most])
    return f"{words} and {len(found) - most} more" if len(found) > most else words


def pairs_of(names: Sequence[str], tables: Sequence[Facts]) -> dict[tuple[str, str], Facts | None]:
    """Every pair of columns: the worst of the tables that hold both, None where none does.

    One that is off beyond chance is worse than one that is not, whatever their residuals.
    """
    worst: dict[frozenset[str], Facts] = {}
    for one in sorted(tables, key=lambda one: (standing(one) == BEYOND, float(one["residual_over_sigma"]))):
        worst |= dict.fromkeys(map(frozenset, combinations(one["columns"], 2)), one)
    return {(a, b): worst.get(frozenset((a, b))) for a, b in combinations(names, 2)}
