"""The privacy ledger as a file: one object or line an entry, exact decimals as text, oldest first."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from privacy import selectors
from privacy.models import LedgerEntry, Population

COLUMNS = (
    "entry", "at", "population", "dataset", "kind", "rho", "delta", "reservation", "request", "by", "facts",
)  # fmt: skip


def lines(population: Population) -> list[dict[str, Any]]:
    """Every line of one population's ledger as plain JSON."""
    return [_line(entry, population) for entry in selectors.ledger_entries(population)]


def _line(entry: LedgerEntry, population: Population) -> dict[str, Any]:
    return {
        "entry": entry.pk,
        "at": entry.at.isoformat(timespec="seconds"),
        "population": str(population.pk),
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
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for line in lines(population):
        line["facts"] = json.dumps(line["facts"], sort_keys=True, ensure_ascii=False)
        writer.writerow({name: _guarded(value) for name, value in line.items()})
    return out.getvalue()


def _guarded(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
