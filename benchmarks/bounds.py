"""What bounds the engine: the same run again, with noise taken out of what was released. NOT PRIVATE.

    python -m benchmarks.bounds --train T.csv --test H.csv --domain D.json --target COL [--positive 1] --name adult \\
        --epsilon 0.1 1 10 --runs 3 --record R.jsonl

A table is measured as in the product, with the target declared, and rebuilt four times: from what was released; with
its one-way tables exact; with every table exact that was bought; and from all of these with twice the records and
twice the sweeps. What the second gains is what one-way noise costs, the third what noise costs in all, the fourth
what the loop's own sampling costs; what then remains is what the tables that were bought do not say.
Noise is taken out here alone, from a release that exists in memory only; nothing in the product can do so.
Prints one JSON object a line; ``--record`` appends them to a file, for ``benchmarks.report``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: results must not depend on threads
os.environ.setdefault("RUST_BACKTRACE", "0")

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks import environments, fidelity, judge, records, tables
from privacy import accounting
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.plans import for_purpose
from privacy.purposes import Purpose
from privacy.values import Domain, IntArray, NoisyMarginal, Release
from synthesis.loop import LoopSettings

DELTA = "1e-9"
EXACT = 0.5
"""Standard deviation, in records, that stands for none: the loop divides by it."""
PLAIN = LoopSettings()
MORE = replace(PLAIN, pool_size=2 * PLAIN.pool_size, sweeps=2 * PLAIN.sweeps, settle_sweeps=2 * PLAIN.settle_sweeps)

Chosen = Callable[[NoisyMarginal], bool]
VARIANTS: dict[str, tuple[Chosen, LoopSettings]] = {
    "released": (lambda table: False, PLAIN),
    "one-way exact": (lambda table: len(table.clique.columns) == 1, PLAIN),
    "all exact": (lambda table: True, PLAIN),
    "all exact, more": (lambda table: True, MORE),
}
"""Which tables lose their noise, and the loop's settings."""


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    try:
        domain = tables.read_domain(asked.domain)
        codes = tables.read_codes(asked.train, domain)
        if asked.target not in domain.columns:
            raise tables.BadTable(f"--target: {asked.target!r} is not a declared column")
        judge.positives(asked.positive, domain.size(asked.target))
    except tables.BadTable as error:
        raise SystemExit(str(error)) from None
    with tempfile.TemporaryDirectory(prefix="benchmark-bounds-") as folder:
        for line in _lines(codes, domain, asked, Path(folder) / "made.csv"):
            records.tell(line, asked.record)


def without_noise(release: Release, codes: IntArray, chosen: Chosen) -> Release:
    """The release with the counts of the chosen tables as they are. NOT PRIVATE."""
    counter = NumpyCounter(codes, release.domain)
    exact = [
        replace(table, counts=counter.counts(table.clique), sigma=EXACT) if chosen(table) else table
        for table in release.marginals
    ]
    return replace(release, marginals=tuple(exact))


def _lines(codes: IntArray, domain: Domain, asked: argparse.Namespace, out: Path) -> Iterator[dict[str, Any]]:
    tree = environments.ready("judge", asked.work)
    about = {"kind": "bounds", "data": asked.name, "rows": len(codes), "columns": len(domain.columns)}
    for epsilon in asked.epsilon:
        for seed in range(asked.runs):
            release = _released(codes, domain, asked.target, epsilon, seed)
            for method, (chosen, settings) in VARIANTS.items():
                given = without_noise(release, codes, chosen)
                loop, _ = fidelity.rebuild(given, settings=settings, seed=seed)
                made = loop.records(loop.total)
                tables.write(made, domain, out)
                line = {**about, "method": method, "epsilon": float(epsilon), "seed": seed}
                yield line | judge.distances(made, codes, domain) | _useful(out, asked, tree)


def _released(codes: IntArray, domain: Domain, target: str, epsilon: str, seed: int) -> Release:
    rho = accounting.rho_for(epsilon=Decimal(epsilon), delta=Decimal(DELTA))
    plan = for_purpose(domain, Purpose((target,)))
    return fidelity.measure(codes, domain, ledger=MemoryLedger(rho), rho=rho, seed=seed, plan=plan)


def _useful(out: Path, asked: argparse.Namespace, tree: Path) -> dict[str, Any]:
    return judge.usefulness(
        out, asked.test, domain=asked.domain.resolve(), target=asked.target, positive=asked.positive, python=tree
    )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--train", "--test", "--domain"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--positive", default="1", help="codes of the target that count as yes, by commas")
    parser.add_argument("--name", required=True, help="what the page calls the table")
    parser.add_argument("--epsilon", nargs="+", required=True)
    parser.add_argument("--runs", type=int, default=3, help="runs of each, with seeds 0, 1, ...")
    parser.add_argument("--work", type=Path, default=environments.WORK, help="where the tree's environment is kept")
    parser.add_argument("--record", type=Path, help="append the lines to this file")
    asked = parser.parse_args(arguments)
    if not all(records.positive(each) for each in asked.epsilon) or asked.runs < 1:
        parser.error("--epsilon: numbers above 0; at least one run")
    asked.test = asked.test.resolve()
    return asked


if __name__ == "__main__":
    main()
