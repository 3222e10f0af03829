"""How near a table under a what-if comes to the truth, where the sizes that it supposes are right.

    python -m benchmarks.what_if [--runs 5] [--epsilon 1] [--rows 2000] [--record R.jsonl]

The law is that of the paper's e-commerce experiment (``benchmarks/ecommerce.py``). A what-if makes buyers of
electronics half, twice or three times as many; the truth under it is the law with its rows weighed, from 200,000
drawn ones. Told for each size are the mean total variation distances of all pairs of columns (ages and prices in ten
bins) from that truth: of the table without the what-if, of the table with it, and of the table of a loop that was given
the same group as a proposal, where the statistics win. ``floor``: another table of as many rows drawn from the truth
itself. ``own``: the table without the what-if, from the law as it is.
No model is asked: the group and its size are given. Prints one JSON object a line.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: results must not depend on threads

import argparse
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import ecommerce, fidelity, records
from privacy import accounting
from privacy.dp.charging import MemoryLedger
from privacy.schema import Schema
from privacy.values import IntArray
from synthesis.loop import Loop, LoopSettings, Proposal, ProposalPlan, Reach

DELTA = Decimal("1e-6")
SIZES = (0.5, 2.0, 3.0)
GROUP = ("category", "Electronics")
TRUTH, TRUTH_SEED, FLOOR_SEED = 200_000, 5000, 6000
BINS = 10


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    for seed in range(asked.runs):
        for line in _run(asked.epsilon, asked.rows, seed):
            records.tell(line, asked.record)


def _run(epsilon: str, rows: int, seed: int) -> Iterator[dict[str, Any]]:
    known = ecommerce.declared()
    codes = ecommerce.coded(ecommerce.draw(rows, seed=seed), known)
    truth = ecommerce.coded(ecommerce.draw(TRUTH, seed=TRUTH_SEED), known)
    rho = accounting.rho_for(epsilon=Decimal(epsilon), delta=DELTA)
    release = fidelity.measure(codes, known.domain, ledger=MemoryLedger(rho), rho=rho, seed=seed)
    for size in SIZES:
        loop, _ = fidelity.rebuild(release, settings=LoopSettings(), seed=seed)
        yield {"kind": "what-if", "rows": rows, "epsilon": float(epsilon), "seed": seed, "size": size,
               **_figures(loop, known, truth, size=size, rows=rows)}  # fmt: skip


def _figures(loop: Loop, known: Schema, truth: IntArray, *, size: float, rows: int) -> dict[str, Any]:
    inside = truth[:, known.domain.index(GROUP[0])] == known.labels(GROUP[0]).index(GROUP[1])
    supposed = min(size * inside.mean(), 0.95)
    weights = np.where(inside, supposed / inside.mean(), (1 - supposed) / (1 - inside.mean()))
    plan = ProposalPlan((_group(known, round(supposed * loop.total)),))
    scenario = loop.suppose(plan, Reach())
    pairs = [(shard, swap.applied(shard)) for shard, swap in loop.supposed(scenario, rows)]
    without, under = (np.concatenate([each[at] for each in pairs]) for at in (0, 1))
    loop.iterate(plan)
    tables = {"without": without, "under": under, "proposed": loop.records(rows), "floor": _drawn(truth, weights, rows)}
    told = {name: round(distance(known, made, truth, weights), 4) for name, made in tables.items()}
    return told | {
        "own": round(distance(known, without, truth, np.ones(len(truth))), 4),
        "supposed": round(float(supposed), 4),
        "share": {name: round(float(scenario.inside(made).mean()), 4) for name, made in tables.items()},
        "replaced": round(float((without != under).any(axis=1).mean()), 4),
    }


def _group(known: Schema, records_asked: int) -> Proposal:
    everything = {name: tuple(range(size)) for name, size in zip(known.domain.columns, known.domain.sizes, strict=True)}
    chosen = {GROUP[0]: (known.labels(GROUP[0]).index(GROUP[1]),)}
    return Proposal(everything | chosen, records_asked, "the what-if")


def _drawn(truth: IntArray, weights: Any, rows: int) -> IntArray:
    rng = np.random.default_rng(FLOOR_SEED)
    return truth[rng.choice(len(truth), rows, p=weights / weights.sum())]


def distance(known: Schema, made: IntArray, truth: IntArray, weights: Any) -> float:
    """Mean total variation distance of all pairs of columns from the weighed truth."""
    sizes = known.domain.sizes
    coarse = [np.arange(size) * min(BINS, size) // size for size in sizes]
    gaps = []
    for one, other in combinations(range(len(sizes)), 2):
        width = int(coarse[other].max()) + 1
        cells = (int(coarse[one].max()) + 1) * width
        keys = [coarse[one][each[:, one]] * width + coarse[other][each[:, other]] for each in (made, truth)]
        shares = np.bincount(keys[0], minlength=cells) / len(made)
        wanted = np.bincount(keys[1], weights, minlength=cells) / weights.sum()
        gaps.append(np.abs(shares - wanted).sum() / 2)
    return float(np.mean(gaps))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs with seeds 0, 1, ...")
    parser.add_argument("--epsilon", default="1")
    parser.add_argument("--rows", type=int, default=ecommerce.ROWS)
    parser.add_argument("--record", type=Path, help="append the lines to this file")
    asked = parser.parse_args(arguments)
    if asked.runs < 1 or asked.rows < 1 or not records.positive(asked.epsilon):
        parser.error("at least one run, one row, and an epsilon above 0")
    return asked


if __name__ == "__main__":
    main()
