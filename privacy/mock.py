"""Rows invented from a declaration alone, for tests and planning: they say nothing about anybody.

Every row keeps the declared rules. Columns hang together a little, as in real tables: each row belongs to one
of a few invented groups, and each group has its own taste in each column. The same declaration, number of rows
and seed give the same rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from privacy.schema import Schema
from privacy.schema_fields import Column
from privacy.validity import Validity, Zero
from privacy.values import IntArray

GROUPS = 6
RARE = 0.05
"""How often a mock cell is missing or OTHER, at most."""
CONCENTRATION = 0.7
"""Below 1, a group prefers few of a column's codes."""


def codes(schema: Schema, *, rows: int, seed: int) -> IntArray:
    """Rows x columns codes in the domain's order."""
    if rows < 1:
        raise ValueError("mock rows are at least one")
    if schema.related is not None:
        raise ValueError("mock rows are made of single tables, not of related ones")
    rng = np.random.default_rng(seed)
    group = rng.choice(GROUPS, size=rows, p=rng.dirichlet(np.ones(GROUPS)))
    drawn = np.stack([_column(column, group, rng) for column in schema.columns])
    if schema.rules:
        counts = [np.bincount(own, minlength=column.size) for own, column in zip(drawn, schema.columns, strict=True)]
        rules = [Zero.of(rule, schema.domain) for rule in schema.rules]
        Validity(rules, [(found + 1).astype(float) for found in counts]).mend(drawn, rng)
    return drawn.T.copy()


def table(schema: Schema, *, rows: int, seed: int) -> pd.DataFrame:
    """A file's whole content as texts: identifiers, free text and all, in the header's order.

    It fits the declaration, so an upload of it is accepted; a missing cell is the empty text.
    """
    rng = np.random.default_rng((seed, 1))
    decoded = schema.decode(codes(schema, rows=rows, seed=seed), rng)
    texts = {name: _texts(decoded[name]) for name in decoded.columns}
    texts |= _identifiers(schema, rows, rng)
    for name in schema.header:
        texts.setdefault(name, ["mock text"] * rows)
    return pd.DataFrame({name: texts[name] for name in schema.header}, dtype=str)


def _column(column: Column, group: IntArray, rng: np.random.Generator) -> IntArray:
    """One column's codes by each row's group: the group's own taste, by inverse distribution."""
    likely = rng.dirichlet(np.full(column.coding.size, CONCENTRATION), size=GROUPS)
    rare = column.size - column.coding.size
    likely = np.hstack([likely * (1 - RARE * rare), rng.uniform(0, RARE, (GROUPS, rare))])
    edges = np.cumsum(likely / likely.sum(axis=1, keepdims=True), axis=1)
    drawn, found = rng.uniform(size=len(group)), np.empty(len(group), dtype=np.int64)
    for number in range(GROUPS):
        own = group == number
        found[own] = np.searchsorted(edges[number], drawn[own], side="right")
    return np.minimum(found, column.size - 1)


def _texts(values: pd.Series[Any]) -> list[str]:
    return ["" if missing else str(value) for value, missing in zip(values, values.isna(), strict=True)]


def _identifiers(schema: Schema, rows: int, rng: np.random.Generator) -> dict[str, list[str]]:
    """Units of one row up to the declared most, their rows filling one member after another, so that none is cut."""
    if schema.unit.column is None:
        return {}
    sizes = rng.integers(1, schema.unit.k, size=rows, endpoint=True)
    units = np.repeat(np.arange(rows), sizes)[:rows]
    found = {schema.unit.column: [f"unit-{number:07d}" for number in units]}
    if schema.nesting is not None:
        number = (np.arange(rows) - np.searchsorted(units, units)) // schema.nesting.rows_each
        for column, most in reversed(schema.nesting.levels):
            found[column] = [f"{column}-{each}" for each in number % most]
            number //= most
    return found
