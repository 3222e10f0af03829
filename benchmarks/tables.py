"""Integer-coded tables as files: read with plain errors, written as the benchmarks' commands expect them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from privacy.values import Domain, IntArray


class BadTable(ValueError):
    """A file that is not what it should be; the message names file, column and rule, never a value."""


@dataclass(frozen=True)
class Coded:
    """Rows x columns of codes, and the share of rows that held anything outside the domain (set to 0 there)."""

    codes: IntArray
    outside: float


def read_domain(path: Path) -> Domain:
    """A file {"column": size}; BadTable when it is anything else."""
    try:
        sizes = json.loads(path.read_text())
    except FileNotFoundError:
        raise BadTable(f"{path.name}: there is no such file") from None
    except (OSError, ValueError):
        raise BadTable(f"{path.name}: a domain is a JSON file {{column: number of codes}}") from None
    if not isinstance(sizes, dict) or not sizes:
        raise BadTable(f"{path.name}: a domain is a JSON object {{column: number of codes}} with at least one column")
    for column, size in sizes.items():
        if type(size) is not int or size < 1:
            raise BadTable(f"{path.name}: column {column!r} needs a whole number of codes, at least 1")
    return Domain.from_mapping(sizes)


def read_codes(path: Path, domain: Domain) -> IntArray:
    """The declared columns of a CSV of codes 0..size-1, in the domain's order; BadTable names what is wrong."""
    cells = _cells(path, domain)
    for place, column in enumerate(domain.columns):
        if _outside(cells[:, place], domain.sizes[place]).any():
            raise BadTable(f"{path.name}: column {column!r} may hold whole numbers from 0 to {domain.sizes[place] - 1}")
    return cells.astype(np.int64)


def read_leniently(path: Path, domain: Domain) -> Coded:
    """Like ``read_codes`` for a table that others made: a cell outside the domain counts as code 0."""
    cells = _cells(path, domain)
    bad = np.stack([_outside(cells[:, at], size) for at, size in enumerate(domain.sizes)], axis=1)
    return Coded(np.where(bad, 0, cells).astype(np.int64), float(bad.any(axis=1).mean()))


def write(codes: IntArray, domain: Domain, path: Path) -> None:
    pd.DataFrame(codes, columns=list(domain.columns)).to_csv(path, index=False)


def write_domain(domain: Domain, path: Path) -> None:
    path.write_text(json.dumps(dict(zip(domain.columns, domain.sizes, strict=True))) + "\n")


def _cells(path: Path, domain: Domain) -> Any:
    """Rows x columns of floats; NaN where a cell is no number."""
    try:
        frame = pd.read_csv(path)
    except FileNotFoundError:
        raise BadTable(f"{path.name}: there is no such file") from None
    except (OSError, ValueError):  # pandas' own errors are among them
        raise BadTable(f"{path.name}: this is no CSV file with a line of column names") from None
    missing = [column for column in domain.columns if column not in frame.columns]
    if missing:
        raise BadTable(f"{path.name}: the declared columns {missing} are not in the file")
    if frame.empty:
        raise BadTable(f"{path.name}: the file holds no rows")
    return frame[list(domain.columns)].apply(pd.to_numeric, errors="coerce").to_numpy(float)


def _outside(values: Any, size: int) -> Any:
    return ~((values >= 0) & (values < size) & (values == np.floor(values)))
