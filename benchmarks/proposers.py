"""What proposers win and cost: the same private rows with none, a good, a random and a malicious one.

    python -m benchmarks.proposers --train T.csv --domain D.json --name adult --epsilon 0.1 1 --runs 3 --record R.jsonl

``--public-rows`` of the table, drawn at random by a fixed seed, are declared public and taken out; the others are
private. ``embedded`` is no proposer beside the loop's own; ``public`` learns from the public rows; ``random`` and
``malicious`` suppose mixtures that are wrong. Each run is a process of its own (``benchmarks.fidelity``), judged on
the private rows. ``itself`` is the public sample as it stands, as far from the private rows as it is.
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

from benchmarks import judge, processes, records, tables
from privacy.values import Domain, IntArray

DELTA = "1e-9"
PROPOSERS = ("embedded", "public", "random", "malicious")
SPLIT_SEED = 5


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    try:
        domain = tables.read_domain(asked.domain)
        codes = tables.read_codes(asked.train, domain)
    except tables.BadTable as error:
        raise SystemExit(str(error)) from None
    if not 0 < asked.public_rows < len(codes):
        raise SystemExit("--public-rows: at least one, and fewer than the table has")
    with tempfile.TemporaryDirectory(prefix="benchmark-proposers-") as folder:
        for line in _lines(codes, domain, asked, Path(folder)):
            records.tell(line, asked.record)


def split(rows: int, public: int) -> tuple[IntArray, IntArray]:
    """Places of the public rows and of the private ones. The same numbers give the same places."""
    order = np.random.default_rng(SPLIT_SEED).permutation(rows)
    return order[:public], order[public:]


def _lines(codes: IntArray, domain: Domain, asked: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    public, private = (codes[places] for places in split(len(codes), asked.public_rows))
    tables.write_domain(domain, folder / "domain.json")
    tables.write(private, domain, folder / "private.csv")
    tables.write(public, domain, folder / "public.csv")
    about = {"kind": "proposers", "data": asked.name, "rows": len(private), "columns": len(domain.columns)}
    about |= {"public_rows": len(public)}
    yield {**about, "method": "itself"} | judge.distances(public, private, domain)
    for epsilon in asked.epsilon:
        for seed in range(asked.runs):
            for proposer in PROPOSERS:
                done = processes.run(_command(folder, epsilon, seed, proposer), seconds=asked.seconds)
                given = {**about, "method": proposer, "epsilon": float(epsilon), "seed": seed}
                yield given | _figures(done, private, domain, folder)


def _command(folder: Path, epsilon: str, seed: int, proposer: str) -> list[str]:
    files = ["--train", str(folder / "private.csv"), "--domain", str(folder / "domain.json")]
    command = [sys.executable, "-m", "benchmarks.fidelity", *files, "--out", str(folder / "made.csv")]
    command += ["--epsilon", epsilon, "--delta", DELTA, "--seed", str(seed), "--proposer", proposer]
    return [*command, *(["--public", str(folder / "public.csv")] if proposer == "public" else [])]


def _figures(done: processes.Done, private: IntArray, domain: Domain, folder: Path) -> dict[str, Any]:
    taken: dict[str, Any] = {"cpu_seconds": done.cpu_seconds, "peak_mib": done.peak_mib}
    if done.failure:
        return taken | {"failure": done.failure}
    taken |= {"alone": done.said["weight_on_component_0"], "supposed": done.said["supposed"]}
    return taken | judge.distances(tables.read_codes(folder / "made.csv", domain), private, domain)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--domain", type=Path, required=True)
    parser.add_argument("--name", required=True, help="what the page calls the table")
    parser.add_argument("--public-rows", type=int, default=3238)
    parser.add_argument("--epsilon", nargs="+", required=True)
    parser.add_argument("--runs", type=int, default=3, help="runs of each, with seeds 0, 1, ...")
    parser.add_argument("--seconds", type=float, default=1800, help="a run is stopped after so many")
    parser.add_argument("--record", type=Path, help="append the lines to this file")
    asked = parser.parse_args(arguments)
    if not all(records.positive(each) for each in asked.epsilon) or asked.runs < 1 or asked.seconds <= 0:
        parser.error("--epsilon: numbers above 0; at least one run, and some time")
    return asked


if __name__ == "__main__":
    main()
