"""Tables of other shapes than those the engine was tuned on, and how work grows with columns.

    python -m benchmarks.shapes [--only clinic parity] [--epsilon 0.1 1 10] [--runs 1] [--record R.jsonl]
    python -m benchmarks.shapes --growth 14 30 60 100 --rows 20000 --epsilon 1

Every table is generated (``benchmarks/structures.py``). For each of them and each epsilon: the product's own
measuring and loop, and the same with tables of one column only, in processes of their own. Beside them two floors,
which are not private: ``sample``, another sample of the same law, as far from the table as sampling alone brings
it; and ``shuffled``, the table's own columns, each shuffled: what tables of one column would give without noise.

Prints one JSON object a line; ``--record`` appends them to a file, for ``benchmarks.report``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import judge, processes, records, structures, tables
from benchmarks.structures import Shape
from privacy.values import IntArray

DELTA = "1e-9"
OURS, ONE_WAY = "ours", "one-way"


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    if asked.growth:
        found = _growth(asked)
    else:
        known = {shape.name: shape for shape in structures.SHAPES}
        found = (line for name in asked.only or known for line in _shape(known[name], asked))
    for line in found:
        records.tell(line, asked.record)


def _shape(shape: Shape, asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    rows = min(shape.rows, asked.most_rows or shape.rows)
    with tempfile.TemporaryDirectory(prefix="benchmark-shapes-") as folder:
        truth = _lay_out(shape, rows, Path(folder))
        about = {"kind": "shapes", "shape": shape.name, "about": shape.about, "rows": rows}
        about |= {"columns": len(shape.domain.columns)}
        for name, codes in (("sample", shape.sample(rows, seed=1)), ("shuffled", shuffled(truth))):
            yield {**about, "method": name} | judge.distances(codes, truth, shape.domain)
        for epsilon in asked.epsilon:
            for seed in range(asked.runs):
                for method in (OURS, ONE_WAY):
                    given = {**about, "method": method, "epsilon": float(epsilon), "seed": seed}
                    done = make(Path(folder), epsilon=epsilon, seed=seed, method=method, seconds=asked.seconds)
                    yield given | figures(done, shape, truth, Path(folder))


def _growth(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for columns in asked.growth:
        shape = structures.growing(columns, asked.rows)
        for epsilon in asked.epsilon:
            with tempfile.TemporaryDirectory(prefix="benchmark-shapes-") as folder:
                truth = _lay_out(shape, asked.rows, Path(folder))
                about = {"kind": "growth", "rows": asked.rows, "columns": columns, "epsilon": float(epsilon)}
                done = make(Path(folder), epsilon=epsilon, seed=0, method=OURS, seconds=asked.seconds)
                yield about | figures(done, shape, truth, Path(folder))


def make(folder: Path, *, epsilon: str, seed: int, method: str, seconds: float) -> processes.Done:
    """The product's table of the files in ``folder``, as ``made.csv``, by the command everybody can run."""
    files = ["--train", str(folder / "train.csv"), "--domain", str(folder / "domain.json")]
    command = [sys.executable, "-m", "benchmarks.fidelity", *files, "--out", str(folder / "made.csv")]
    command += ["--epsilon", epsilon, "--delta", DELTA, "--seed", str(seed)]
    return processes.run([*command, *(["--one-way"] if method == ONE_WAY else [])], seconds=seconds)


def figures(done: processes.Done, shape: Shape, truth: IntArray, folder: Path) -> dict[str, Any]:
    """What the run took and how far its table is from the real one, or why there is none."""
    taken: dict[str, Any] = {"cpu_seconds": done.cpu_seconds, "seconds": done.seconds, "peak_mib": done.peak_mib}
    if done.failure:
        return taken | {"failure": done.failure}
    made = tables.read_codes(folder / "made.csv", shape.domain)
    taken |= {"tables": done.said["cliques"], "rho": done.said["rho"]}
    return taken | judge.distances(made, truth, shape.domain)


def shuffled(codes: IntArray) -> IntArray:
    """Every column by itself in another order: the same tables of one column, no dependence."""
    return np.random.default_rng(0).permuted(codes, axis=0)


def _lay_out(shape: Shape, rows: int, folder: Path) -> IntArray:
    truth = shape.sample(rows, seed=0)
    tables.write(truth, shape.domain, folder / "train.csv")
    tables.write_domain(shape.domain, folder / "domain.json")
    return truth


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[shape.name for shape in structures.SHAPES], metavar="SHAPE")
    parser.add_argument("--epsilon", nargs="+", default=None, help="default: 0.1 1 10, and 1 with --growth")
    parser.add_argument("--runs", type=int, default=1, help="runs of each, with seeds 0, 1, ...")
    parser.add_argument("--growth", nargs="+", type=int, metavar="COLUMNS", help="a tree with so many columns instead")
    parser.add_argument("--rows", type=int, default=20_000, help="of the growing tree")
    parser.add_argument("--most-rows", type=int, help="cut every shape to so many rows, for a quick look")
    parser.add_argument("--seconds", type=float, default=3600, help="a run is stopped after so many")
    parser.add_argument("--record", type=Path, help="append the lines to this file")
    asked = parser.parse_args(arguments)
    asked.epsilon = asked.epsilon or (["1"] if asked.growth else ["0.1", "1", "10"])
    _check(parser, asked)
    return asked


def _check(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    if not all(records.positive(each) for each in asked.epsilon):
        parser.error("--epsilon: numbers above 0")
    if min(asked.runs, asked.rows, asked.most_rows or 1, *(each - 1 for each in asked.growth or [2])) < 1:
        parser.error("at least one run, one row and, for --growth, two columns")
    if asked.seconds <= 0:
        parser.error("--seconds: a number above 0")


if __name__ == "__main__":
    main()
