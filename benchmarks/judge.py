"""How far a synthetic table is from the real one, and how useful a model trained on it is.

    python -m benchmarks.judge --train T.csv --test H.csv --synth S.csv --domain D.json --target COL [--positive 1]

``tvdK`` is the mean total variation distance, half the summed difference of shares, between the synthetic and
the real table over all tables of one column, all of two, and a fixed sample of three (the same for every table
with as many columns); ``tvdK_max`` is the worst. ``auc`` is that of a gradient-boosted tree trained on the synthetic
table and tested on real rows that no synthesizer saw; the tree is scikit-learn's, in an environment of its own.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import environments, processes, tables
from privacy.values import Domain, IntArray

TRIPLES, SEED = 64, 20240601
MOST_CELLS = 2**20
"""Tables larger than this are compared on the cells that occur in either."""


def distances(made: IntArray, real: IntArray, domain: Domain, *, triples: int = TRIPLES) -> dict[str, float]:
    """``tvd1``, ``tvd2``, ``tvd3`` (means) and ``tvd1_max`` ... of two tables, each rows x columns of codes."""
    found = {}
    for width in range(1, min(3, len(domain.columns)) + 1):
        gaps = [distance(made, real, columns, domain.sizes) for columns in subsets(len(domain.columns), width, triples)]
        found[f"tvd{width}"] = round(float(np.mean(gaps)), 5)
        found[f"tvd{width}_max"] = round(max(gaps), 5)
    return found


def subsets(columns: int, width: int, triples: int = TRIPLES) -> list[tuple[int, ...]]:
    """All sets of ``width`` of the columns; of three, a sample that depends on the number of columns alone."""
    every = list(combinations(range(columns), width))
    if width < 3 or len(every) <= triples:
        return every
    picked = np.random.default_rng(SEED).choice(len(every), triples, replace=False)
    return [every[place] for place in sorted(picked.tolist())]


def distance(made: IntArray, real: IntArray, columns: Sequence[int], sizes: Sequence[int]) -> float:
    """Total variation distance between two tables' shares of the cells of ``columns``: 0 to 1."""
    shape = [sizes[column] for column in columns]
    keys = [np.ravel_multi_index(tuple(codes[:, column] for column in columns), shape) for codes in (made, real)]
    if math.prod(shape) > MOST_CELLS:
        _, labels = np.unique(np.concatenate(keys), return_inverse=True)
        keys = np.split(labels, [len(made)])
    cells = 1 + max(int(key.max()) for key in keys)
    first, second = (np.bincount(key, minlength=cells) / len(key) for key in keys)
    return float(np.abs(first - second).sum() / 2)


def usefulness(
    made: Path, test: Path, *, domain: Path, target: str, positive: str, python: Path, seconds: float = 600
) -> dict[str, Any]:
    """``auc``, ``acc`` and ``f1`` on ``test`` of a tree trained on ``made``; ``positive`` are codes, by commas."""
    script = Path(__file__).with_name("judge_tree.py")
    files = ["--synth", str(made), "--test", str(test), "--domain", str(domain)]
    command = [str(python), str(script), *files, "--target", target, "--positive", positive]
    done = processes.run(command, seconds=seconds)
    if done.failure:
        raise SystemExit(f"the judge's tree failed: {done.failure}")
    return done.said


def positives(text: str, size: int) -> NDArray[np.int64]:
    """Codes separated by commas; BadTable when one is not a code of the target."""
    codes = [int(part) if part.strip().isdigit() else -1 for part in text.split(",")]
    if not all(0 <= code < size for code in codes):
        raise tables.BadTable(f"--positive: codes of the target from 0 to {size - 1}, separated by commas")
    return np.array(codes)


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    try:
        domain = tables.read_domain(asked.domain)
        train, made = tables.read_codes(asked.train, domain), tables.read_leniently(asked.synth, domain)
        tables.read_codes(asked.test, domain)
        if asked.target not in domain.columns:
            raise tables.BadTable(f"--target: {asked.target!r} is not a declared column")
        positives(asked.positive, domain.size(asked.target))
    except tables.BadTable as error:
        raise SystemExit(str(error)) from None
    found: dict[str, Any] = {"rows": len(made.codes), "outside": round(made.outside, 5)}
    found |= distances(made.codes, train, domain)
    python = environments.ready("judge", asked.work)
    found |= usefulness(
        asked.synth, asked.test, domain=asked.domain, target=asked.target, positive=asked.positive, python=python
    )
    print(json.dumps(found))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--train", "--test", "--synth", "--domain"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--positive", default="1", help="codes of the target that count as yes, by commas")
    parser.add_argument("--work", type=Path, default=environments.WORK, help="where the tree's environment is kept")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
