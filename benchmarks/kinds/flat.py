"""One flat file of transactions as three related tables, and back: units, their invoices, and the lines of these.

A row is one line and repeats what its invoice and its customer say. Rows of no customer are left out, or each of their
invoices is a unit of its own, as declared. Where rows of one invoice or customer disagree, the first one counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.kinds import reading
from benchmarks.kinds.declared import BadData, Declaration
from privacy.values import IntArray

TRUE, FALSE = "true", "false"  # the first spellings of a declared boolean


@dataclass(frozen=True)
class Split:
    """``told``: how many rows were left out, and how many disagreed with the first row of theirs."""

    units: pd.DataFrame
    invoices: pd.DataFrame
    lines: pd.DataFrame
    told: dict[str, int]


class Flat:
    """The declared file; ``units`` and ``invoices`` name the columns that are keys."""

    def __init__(self, declared: Declaration) -> None:
        self.units, self.invoices, self.lines = declared.tables.values()
        self.facts: Mapping[str, Any] = declared.facts["flat"]
        self.own_unit = declared.facts["nullIdentifiers"] == "own-unit"
        self.unit, self.invoice = self.units.facts["key"], self.invoices.facts["key"]

    def read(self, folder: Path) -> Split:
        """BadData where the file or its columns are not the declared ones."""
        path = reading.found(folder, self.facts["file"])
        whole = reading.texts(path, self.facts["columns"])
        rows = whole[whole[self.invoice] != ""]
        for table in (self.units, self.invoices, self.lines):
            rows = table.known(rows)
        rows = rows.assign(**{name: reading.keys(rows[name]) for name in (self.unit, self.invoice)})
        rows["named"] = np.where(rows[self.unit] != "", TRUE, FALSE)
        if self.own_unit:
            rows[self.unit] = rows[self.unit].where(rows["named"] == TRUE, "invoice " + rows[self.invoice])
        rows = rows[rows[self.unit] != ""]
        if not len(rows):
            raise BadData(f"{self.facts['file']}: no row has the keys {self.unit} and {self.invoice}")
        rows[self.invoice] = rows[self.unit] + "/" + rows[self.invoice]  # a number under two customers is two invoices
        time, mark = self.invoices.facts["time"], self.invoices.facts["marked"]
        rows[mark["name"]] = np.where(
            rows[self.invoice].str.split("/").str[-1].str.startswith(mark["mark"]), TRUE, FALSE
        )
        units = rows.drop_duplicates(self.unit)
        invoices = rows.drop_duplicates(self.invoice).sort_values([time, self.invoice], kind="stable")
        invoices = invoices.assign(number=invoices.groupby(self.unit).cumcount() + 1)
        told = {"rows left out": len(whole) - len(rows)} | self._disagreeing(rows, units, invoices)
        return Split(units[list(self.units.columns)], invoices[list(self.invoices.columns)], rows, told)

    def _disagreeing(self, rows: pd.DataFrame, units: pd.DataFrame, invoices: pd.DataFrame) -> dict[str, int]:
        found = {}
        for table, firsts, key in ((self.units, units, self.unit), (self.invoices, invoices, self.invoice)):
            for name in set(table.columns) & set(self.facts["columns"]) - {self.unit, self.invoice}:
                first = rows[key].map(firsts.set_index(key)[name])
                found[f"{name} is another than in the first row of its {key}"] = int((first != rows[name]).sum())
        return found

    def write(self, units: pd.DataFrame, invoices: pd.DataFrame, lines: pd.DataFrame, folder: Path) -> None:
        """The same file: ``invoices`` have a row of ``units`` as ``owner``, ``lines`` one of ``invoices``.

        Numbers of invoices follow time, and rows follow their invoices. Nothing of the input's keys is used.
        """
        rank = self._ranks(invoices)
        mark = self.invoices.facts["marked"]
        marks = np.where(invoices[mark["name"]] == TRUE, mark["mark"], "")
        spelled = self.invoices.facts.get("keyAs", "{}")
        keys = [sign + spelled.format(number) for sign, number in zip(marks, rank.tolist(), strict=True)]
        whole = lines.assign(rank=rank[lines["owner"]], **{self.invoice: np.array(keys, dtype=object)[lines["owner"]]})
        time, whose = self.invoices.facts["time"], invoices["owner"].to_numpy()[lines["owner"]]
        whole[time] = invoices[time].to_numpy()[lines["owner"]]
        for name, values in self._of_units(units).items():
            whole[name] = values[whose]
        whole = whole.sort_values("rank", kind="stable").assign(**dict.fromkeys(self.facts["empty"], ""))
        folder.mkdir(parents=True, exist_ok=True)
        packed: Any = {"method": "gzip", "mtime": 1} if self.facts["file"].endswith(".gz") else None
        whole[list(self.facts["columns"])].to_csv(folder / self.facts["file"], index=False, compression=packed)

    def _ranks(self, invoices: pd.DataFrame) -> IntArray:
        """The number of every invoice: 1 for the earliest."""
        order = np.argsort(invoices[self.invoices.facts["time"]].to_numpy(dtype=str), kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(1, len(order) + 1)
        return rank

    def _of_units(self, units: pd.DataFrame) -> dict[str, Any]:
        """What every row says of its unit, under keys of our own; none where the unit names no customer."""
        named = (units["named"] == TRUE).to_numpy()
        spelled = [
            self.units.facts["keyAs"].format(n) if own else "" for n, own in zip(named.cumsum(), named, strict=True)
        ]
        found = {
            name: units[name].to_numpy()
            for name in self.units.columns
            if name in self.facts["columns"] and name in units
        }
        return found | {self.unit: np.array(spelled, dtype=object)}
