"""A generated table of any size: as the file an owner uploads, and as plain Parquet of the same codes.

Nothing in it comes from people. Columns depend on one another through a hidden class, so that tables of
pairs are neither flat nor diagonal. Half are categories, half are numbers that the declaration cuts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from privacy.values import Domain

BATCH = 2**18
STEPS = 10
"""Whole numbers in one bin of a numeric column."""


def domain(columns: int) -> Domain:
    """Between 4 and 20 codes a column; 15 columns make some 14,000 cells of pairs."""
    return Domain(tuple(f"c{place:02d}" for place in range(columns)), tuple(4 + 5 * i % 17 for i in range(columns)))


def declaration(asked: Domain) -> str:
    """The schema of the uploaded file; no cell is ever missing."""
    fields = [
        {"name": name, "constraints": {"required": True}}
        | (
            {"type": "string", "categories": [_label(code) for code in range(size)]}
            if place % 2 == 0
            else {
                "type": "integer",
                "constraints": {"required": True, "minimum": 0, "maximum": size * STEPS - 1},
                "bins": {"equalWidth": size},
            }
        )
        for place, (name, size) in enumerate(zip(asked.columns, asked.sizes, strict=True))
    ]
    return json.dumps({
        "title": "Generated", "population": "nobody", "privacyUnit": {"kind": "row", "means": "one row"},
        "cap": {"rho": "2", "delta": "1e-6"}, "purposes": ["measuring speed"], "fields": fields,
    })  # fmt: skip


def write(asked: Domain, *, rows: int, folder: Path, seed: int = 0) -> None:
    """``table.csv`` and ``codes.parquet``, batch by batch."""
    plain = pa.schema([(name, pa.uint8()) for name in asked.columns])
    told = pa.schema([(name, pa.int32() if i % 2 else pa.string()) for i, name in enumerate(asked.columns)])
    rng = np.random.default_rng(seed)
    with (
        pq.ParquetWriter(folder / "codes.parquet", plain) as parquet,
        pa.csv.CSVWriter(folder / "table.csv", told, write_options=pa.csv.WriteOptions(quoting_style="none")) as csv,
    ):
        for codes in batches(asked, rows, rng):
            parquet.write_table(pa.table(codes, schema=plain))
            csv.write_table(pa.table(list(_told(asked, codes, rng)), schema=told))


def batches(asked: Domain, rows: int, rng: np.random.Generator) -> Iterator[list[NDArray[np.uint8]]]:
    """The table's codes, one array a column, at most BATCH rows at a time."""
    for start in range(0, rows, BATCH):
        count = min(BATCH, rows - start)
        hidden = rng.random(count)
        yield [((hidden + rng.random(count)) / 2 * size).astype(np.uint8) for size in asked.sizes]


def _told(asked: Domain, batch: list[NDArray[np.uint8]], rng: np.random.Generator) -> Iterator[Any]:
    """Cells as the file spells them."""
    for place, (codes, size) in enumerate(zip(batch, asked.sizes, strict=True)):
        if place % 2:
            yield pa.array(codes * np.int32(STEPS) + rng.integers(0, STEPS, len(codes), dtype=np.int32))
        else:
            labels = pa.array([_label(code) for code in range(size)])
            yield labels.take(pa.array(codes))


def _label(code: int) -> str:
    return f"level {code:02d}"
