"""The privacy ledger as a file: one object or line an entry, exact decimals as text, oldest first."""

from __future__ import annotations

import json
from typing import Any

from audit import sheets
from privacy import selectors
from privacy.models import LedgerEntry, Population

COLUMNS = (
    "entry", "at", "population", "dataset", "kind", "rho", "delta", "reservation", "request", "by", "facts",
)  # fmt: skip


def lines(population: Population) -> list[dict[str, Any]]:
    """Every line of one population's ledger as plain JSON."""
    return [line_of(entry) for entry in selectors.ledger_entries(population)]


def line_of(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "entry": entry.pk,
        "at": entry.at.isoformat(timespec="seconds"),
        "population": str(entry.population_id),
        "dataset": None if entry.dataset_id is None else str(entry.dataset_id),
        "kind": entry.kind,
        "rho": f"{entry.rho:f}",
        "delta": f"{entry.delta:f}",
        "reservation": entry.reservation_id,
        "request": entry.request,
        "by": entry.by,
        "facts": entry.facts,
    }


def as_json(population: Population) -> str:
    """The ledger with its sums and, once something was spent, the curve that OpenDP gave for it."""
    budget = selectors.budget(population.pk)
    sums = {name: f"{getattr(budget, name):f}" for name in ("cap", "reserved", "spent", "left")}
    deltas = {name: f"{getattr(budget, name):f}" for name in ("cap_delta", "reserved_delta", "spent_delta")}
    content = {
        "population": {"id": str(population.pk), "name": population.name},
        "sums": sums | deltas,
        "curve": population.curve,
        "entries": lines(population),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def as_csv(population: Population) -> str:
    """The same lines for a spreadsheet; texts that one would run as a formula are written behind a quote."""
    return "".join(sheets.csv_lines(COLUMNS, lines(population)))
