"""report.html: one file that opens offline, in light and dark and on paper, without a script."""

from __future__ import annotations

from typing import Any

from audit import documents
from synthesis.report import disclosure, drawing, purpose

Facts = dict[str, Any]

LISTED = 60
"""Released tables that the page lists, the worst first; quality.json holds all."""


def page(report: Facts, facts: Facts) -> str:
    """The page of a package's ``quality.json`` (``report``) and of what the package says of itself (``facts``)."""
    names = sorted(one["column"] for one in report["columns"])
    return documents.written(
        "package/report.html",
        {
            "report": report, "facts": facts, "fit": purpose.fitness(report), "strip": drawing.strip(report["tables"]),
            "heat": drawing.heat(names, report["tables"]), "columns": [drawing.bars(one) for one in report["columns"]],
            "tables": report["tables"][:LISTED], "more_tables": max(0, len(report["tables"]) - LISTED),
            "within": round(100 * report["within_noise"]), "band": percent(report, "within_band"),
            "sampling": percent(report, "sampling_share"), "checked": disclosure.sentences(facts.get("disclosure")),
            "violations": sum(rule["violations"] for rule in report["rules"]),
            "rare": sum(one["rare_values"] for one in report["columns"]),
        },
    )  # fmt: skip


def percent(report: Facts, name: str) -> int | None:
    """None in a report that was worked out before there was such a figure."""
    return round(100 * report[name]) if name in report else None
