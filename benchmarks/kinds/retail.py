"""Customers, their invoices and the lines of these: one flat file in, one flat file out."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.kinds.declared import BadData, Declaration
from benchmarks.kinds.extents import Spread
from benchmarks.kinds.figures import column, compared, distance
from benchmarks.kinds.flat import Flat
from benchmarks.kinds.households import SIZE, Households
from benchmarks.kinds.keys import Search, codes_of
from benchmarks.kinds.lines import PRODUCT, Lines
from privacy.accounting import rho_down
from privacy.dp.charging import MemoryLedger
from privacy.values import Clique, HardRule, IntArray
from synthesis.members import People

COUNT = "lines"
FOR_INVOICES = Decimal("0.5")  # of what key discovery leaves of rho
TOP = 50


@dataclass(frozen=True)
class Sales:
    """``counts``: lines of every invoice. ``products``: of every line, as text; ``lines`` know those that were found.

    ``told``: what was left out, and what a flat file says twice and differently.
    """

    invoices: People
    counts: IntArray
    products: pd.Series
    lines: People
    told: dict[str, int]


class Retail:
    """A declaration of three tables in one file: units, their invoices, and lines whose products are to be found."""

    def __init__(self, declared: Declaration) -> None:
        if len(declared.tables) != 3 or "flat" not in declared.facts:
            raise BadData("retail has three tables, units, invoices and lines, in one flat file")
        self.flat = Flat(declared)
        units, invoices, self.table = declared.tables.values()
        self.edges = np.array(self.table.facts["counts"])
        self.pair = Households(units, invoices, {COUNT: len(self.edges)})
        self.search = Search.declared(self.table.facts["discover"])
        self.delta = self.search.delta

    def spreads(self, folder: Path) -> list[Spread]:
        """What is sought first: the years, by the first and the last invoice of each unit."""
        name, invoices = self.pair.members.facts["time"], self.flat.read(folder).invoices
        extent = self.pair.members.field(name).get("extent")
        years = invoices[name].str[:4].astype(int).groupby(invoices[self.flat.unit]).agg(["min", "max"])
        return [Spread(name, extent, years["max"].to_numpy(), years["min"].to_numpy())] if extent else []

    def read(self, folder: Path) -> Sales:
        split = self.flat.read(folder)
        rows, key = split.lines, self.flat.invoice
        counts = rows[key].value_counts().loc[split.invoices[key]].to_numpy()
        bins = np.searchsorted(self.edges, counts, side="right") - 1
        invoices = self.pair.people(split.units, split.invoices, {COUNT: bins})
        kept, _ = self.pair.kept(split.units, split.invoices)
        place = pd.Series(np.arange(len(kept)), index=split.invoices[key].to_numpy()[kept])
        whose = rows[key].map(place)
        rows, whose = rows[whose.notna()], whose[whose.notna()].to_numpy(dtype=np.int64)
        rows = rows.iloc[np.argsort(whose, kind="stable")]
        names = dict(zip(self.table.names, self.table.code(rows).T, strict=True))
        unplaced = names | {PRODUCT: np.zeros(len(rows), dtype=np.int64)}
        limited = self._level(1).people(invoices, counts[kept])
        stays = self._first(limited, counts[kept])
        given = {name: limited.codes[name].astype(np.int64) for name in limited.layout.given}
        drawn = {name: codes[stays] for name, codes in unplaced.items()}
        lines = People.of(limited.layout, limited.top, given | drawn, limited.groups)
        told = split.told | {"lines beyond the declared most": len(split.lines) - lines.members}
        return Sales(invoices, counts[kept], rows[self.search.column].iloc[stays], lines, told)

    def _first(self, lines: People, counts: IntArray) -> IntArray:
        """The rows, invoice by invoice, that are among the kept lines."""
        kept = np.bincount(lines.groups, minlength=len(counts))
        place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.flatnonzero(place < np.repeat(kept, counts))

    def _level(self, products: int) -> Lines:
        marked = self.pair.members.facts["marked"]["name"]
        return Lines(self.table, self.pair.layout, products=products, size=COUNT, marked=marked,
                     named=self.pair.units.facts["named"])  # fmt: skip

    def make(
        self, real: Sales, ledger: MemoryLedger | None, *, rho: Decimal, seed: int, independent: bool = False
    ) -> tuple[Sales, int]:
        """Synthetic sales, and how many instances of rules they break."""
        search = rho_down(rho * self.search.share)
        keys = self.search.find(real.lines.owners, real.products.tolist(), ledger, rho=search)
        left = rho_down(rho - search)
        first = rho_down(left * FOR_INVOICES)
        invoices, broken = self.pair.level(independent=independent, unit_rules=self._rules()).make(
            real.invoices, ledger, rho=first, seed=seed
        )
        level = self._level(len(keys))
        known = {name: codes.astype(np.int64) for name, codes in real.lines.codes.items()}
        known[PRODUCT] = codes_of(keys, real.products)
        whole = People.of(level.layout, real.lines.top, known, real.lines.groups)
        units = level.people(invoices, self._counts(invoices, np.random.default_rng([seed, 2])))
        lines, more = level.level(independent=independent).fill(
            whole, units, ledger, rho=rho_down(left - first), seed=seed
        )
        texts = np.array([*keys, self.search.other], dtype=object)
        counts = np.bincount(lines.groups, minlength=invoices.members)
        return Sales(invoices, counts, pd.Series(texts[lines.codes[PRODUCT]]), lines, {}), broken + more

    def _rules(self) -> list[HardRule]:
        """A unit that names no customer is one invoice by itself, where such units are declared."""
        if not self.flat.own_unit:
            return []
        named, sizes = self.pair.units.facts["named"], len(self.pair.layout.present)
        allowed = np.ones((2, sizes), dtype=bool)
        allowed[0, 1:] = False
        return [HardRule(f"{named} or one invoice", "declared", Clique.of(named, SIZE), allowed)]

    def _counts(self, invoices: People, rng: np.random.Generator) -> IntArray:
        """A number of lines within each invoice's bin: smaller ones are likelier, as 1 / n."""
        ends = np.append(self.edges[1:], self.table.facts["most"] + 1)
        low, high = (each[invoices.codes[COUNT]].astype(float) for each in (self.edges, ends))
        drawn = np.floor(low * (high / low) ** rng.random(len(low)))
        return np.minimum(drawn, high - 1).astype(np.int64)

    def write(self, made: Sales, folder: Path, *, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        units = self.pair.units.spell(made.invoices.top[:, :-1], rng).astype(str)
        own = made.invoices.table()[:, : len(self.pair.members.names)]
        invoices = self.pair.members.spell(own, rng).astype(str).assign(owner=made.invoices.owners)
        codes = np.stack([made.lines.codes[name] for name in self.table.names], axis=1).astype(np.int64)
        lines = self.table.spell(codes, rng)
        for name in lines.columns:
            if pd.api.types.is_float_dtype(lines[name]):
                lines[name] = lines[name].map(lambda each: repr(float(each)))
        lines[self.search.column] = made.products.to_numpy()
        self.flat.write(units, invoices, lines.assign(owner=made.lines.groups), folder)

    def about(self, real: Sales) -> dict[str, Any]:
        return {"units": len(real.invoices.top), "members": real.invoices.members, "lines": real.lines.members,
                "repaired": real.told}  # fmt: skip

    def statistics(self, real: Sales, made: Sales) -> dict[str, float]:
        both, lines = (real.invoices, made.invoices), (real.lines, made.lines)
        named = self.pair.units.facts["named"]
        found = {
            "lines per invoice": distance(*([np.searchsorted(self.edges, each.counts[each.counts > 0], side="right")]
                                            for each in (real, made))),
            "invoices per customer": distance(*compared(*both, named, SIZE, of_units=True)),
        }  # fmt: skip
        for name in self.pair.members.names:
            found[name.split(".")[-1]] = distance(*compared(*both, name))
        for name in self.pair.units.names:
            found[f"{name} of units"] = distance(*compared(*both, name, of_units=True))
        found["Country of lines"] = distance(*(self._of_lines(each, "Country") for each in (real, made)))
        for name in ("hour", "weekday"):
            full = next(each for each in self.pair.members.names if each.endswith(f".{name}"))
            found[f"{name} of lines"] = distance(*(self._of_lines(each, full) for each in (real, made)))
        for name in self.table.names:
            found[name] = distance(*compared(*lines, name))
        found["Quantity x UnitPrice"] = distance(*compared(*lines, *self.table.names))
        found[f"top {TOP} products missed"] = 1 - self._recall(real.products, made.products)
        return found

    def _of_lines(self, sales: Sales, name: str) -> list[IntArray]:
        return [column(sales.invoices, name)[sales.lines.groups]]

    def _recall(self, real: pd.Series, made: pd.Series) -> float:
        """The share of the most frequent real products that are among as many most frequent synthetic ones."""
        top = [set(each[each != self.search.other].value_counts().index[:TOP]) for each in (real, made)]
        return len(top[0] & top[1]) / max(len(top[0]), 1)
