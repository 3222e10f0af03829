"""The product beside other private synthesizers: same tables, same epsilon, same judge, one command.

    python -m benchmarks.peers --train T.csv --test H.csv --domain D.json --target COL --epsilon 1
    python -m benchmarks.peers --generated --epsilon 1

The first run installs the peers and the judge's tree, each in a virtual environment of its own under ``--work``
(network needed; about 2 GiB). Every synthesizer runs in a process of its own, sees the training rows alone, and is
stopped after ``--seconds``. The unit is one row, added or removed; epsilon and delta are turned into rho of
zero-concentrated privacy once, for all but dpmm, which is given epsilon and delta and turns them itself.

Prints one JSON object a line and at the end a table: distances and AUC as in ``benchmarks.judge``, CPU seconds
of the whole process, its highest memory. ``--record`` appends the lines to a file, for ``benchmarks.report``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import environments, judge, processes, records, structures, tables
from benchmarks.records import Line
from benchmarks.synthesizers import SYNTHESIZERS, Job
from privacy.values import Domain, IntArray


@dataclass(frozen=True)
class Data:
    """The files and what the judge needs of them."""

    name: str
    train: Path
    test: Path
    domain_file: Path
    target: str
    positive: str
    tested: int
    domain: Domain
    codes: IntArray


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmark-peers-") as folder:
        try:
            data = _generated(asked.rows, Path(folder)) if asked.generated else _given(asked)
        except tables.BadTable as error:
            raise SystemExit(str(error)) from None
        found = []
        for line in _lines(data, asked, Path(folder) / "made.csv", tree=environments.ready("judge", asked.work)):
            records.tell(line, asked.record)
            found.append(line)
    print("\n" + _table(found))


def _lines(data: Data, asked: argparse.Namespace, out: Path, *, tree: Path) -> Iterator[Line]:
    for name, (label, codes) in _floors(data).items():
        tables.write(codes, data.domain, out)
        yield _about(data) | {"synthesizer": name, "label": label} | _judged(out, data, tree)
    for epsilon in asked.epsilon:
        for name in asked.only or SYNTHESIZERS:
            for seed in range(asked.runs):
                job = Job(data.train, data.domain_file, data.target, out, epsilon, asked.delta, seed)
                yield _about(data) | _made(name, job, asked) | (_judged(out, data, tree) if out.exists() else {})


def _floors(data: Data) -> dict[str, tuple[str, IntArray]]:
    """What sampling alone costs, and what knowing every column by itself gives."""
    rng = np.random.default_rng(0)
    again = data.codes[rng.integers(0, len(data.codes), len(data.codes))]
    return {
        "floor-again": ("NOT PRIVATE: the real rows, drawn again", again),
        "floor-shuffled": ("NOT PRIVATE: every real column shuffled", rng.permuted(data.codes, axis=0)),
    }


def _about(data: Data) -> Line:
    return {
        "kind": "peers", "data": data.name, "rows": len(data.codes), "columns": len(data.domain.columns),
        "target": data.target, "positive": data.positive, "tested": data.tested,
    }  # fmt: skip


def _made(name: str, job: Job, asked: argparse.Namespace) -> Line:
    """Run one synthesizer; ``failure`` says why there is no table, which then is not there."""
    synthesizer = SYNTHESIZERS[name]
    own = synthesizer.environment
    python = sys.executable if own is None else str(environments.ready(own, asked.work))
    job.out.unlink(missing_ok=True)
    done = processes.run(synthesizer.command(python, job), seconds=asked.seconds)
    line = {
        "epsilon": float(job.epsilon), "delta": float(job.delta), "seed": job.seed,
        "synthesizer": name, "label": synthesizer.label, "library": done.said.get("library", ""),
        "seconds": done.seconds, "cpu_seconds": done.cpu_seconds, "peak_mib": done.peak_mib,
    }  # fmt: skip
    if not done.failure:
        return line
    job.out.unlink(missing_ok=True)
    return line | {"failure": done.failure}


def _judged(out: Path, data: Data, tree: Path) -> Line:
    made = tables.read_leniently(out, data.domain)
    line: Line = {"made": len(made.codes), "outside": round(made.outside, 5)}
    line |= judge.distances(made.codes, data.codes, data.domain)
    return line | judge.usefulness(
        out, data.test, domain=data.domain_file, target=data.target, positive=data.positive, python=tree
    )


def _given(asked: argparse.Namespace) -> Data:
    domain = tables.read_domain(asked.domain)
    if asked.target not in domain.columns:
        raise tables.BadTable(f"--target: {asked.target!r} is not a declared column")
    judge.positives(asked.positive, domain.size(asked.target))
    codes = tables.read_codes(asked.train, domain)
    tested = len(tables.read_codes(asked.test, domain))
    # Peers run in other folders and read the files themselves.
    train, test, declared = (path.resolve() for path in (asked.train, asked.test, asked.domain))
    name = asked.name or train.stem
    return Data(name, train, test, declared, asked.target, asked.positive, tested, domain, codes)


def _generated(rows: int, folder: Path) -> Data:
    """A tree of fourteen columns; a quarter as many rows again are held out."""
    shape = structures.growing(14, rows)
    train, test, declared = folder / "train.csv", folder / "test.csv", folder / "domain.json"
    codes = shape.sample(rows, seed=0)
    tables.write(codes, shape.domain, train)
    held_out = shape.sample(rows // 4, seed=1)
    tables.write(held_out, shape.domain, test)
    tables.write_domain(shape.domain, declared)
    return Data("generated", train, test, declared, shape.target, "1", len(held_out), shape.domain, codes)


def _table(found: list[Line]) -> str:
    lines = [f"{'synthesizer':<46}{'eps':>6}{'TVD2':>8}{'TVD3':>8}{'AUC':>8}{'CPU s':>9}{'MiB':>7}"]
    for line in found:
        figures = "".join(f"{line[name]:>8.4f}" for name in ("tvd2", "tvd3", "auc") if name in line)
        work = f"{line['cpu_seconds']:>9.1f}{line['peak_mib']:>7}" if "cpu_seconds" in line else ""
        epsilon = f"{line['epsilon']:g}" if "epsilon" in line else "-"
        lines.append(f"{line['label']:<46}{epsilon:>6}{figures or '  ' + line['failure'][:22]:<24}{work}")
    return "\n".join(lines)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--train", "--test", "--domain"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--target")
    parser.add_argument("--positive", default="1", help="codes of the target that count as yes, by commas")
    parser.add_argument("--name", help="what the page calls the table; default: the training file's name")
    parser.add_argument("--generated", action="store_true", help="a generated table instead of files")
    parser.add_argument("--rows", type=int, default=20_000, help="of the generated table")
    parser.add_argument("--epsilon", nargs="+", required=True)
    parser.add_argument("--delta", default="1e-9")
    parser.add_argument("--runs", type=int, default=1, help="runs of each, with seeds 0, 1, ...")
    parser.add_argument("--only", nargs="+", choices=sorted(SYNTHESIZERS), metavar="SYNTHESIZER")
    parser.add_argument("--seconds", type=float, default=1800, help="a synthesizer is stopped after so many")
    parser.add_argument("--work", type=Path, default=environments.WORK, help="where the environments are kept")
    parser.add_argument("--record", type=Path, help="append the lines to this file")
    asked = parser.parse_args(arguments)
    _check(parser, asked)
    return asked


def _check(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    files = (asked.train, asked.test, asked.domain, asked.target)
    if asked.generated and any(files):
        parser.error("--generated comes with no files and no target")
    if not asked.generated and not all(files):
        parser.error("--train, --test, --domain and --target are needed, or --generated")
    if not all(records.positive(each) for each in asked.epsilon):
        parser.error("--epsilon: numbers above 0")
    if not records.positive(asked.delta) or float(asked.delta) >= 1:
        parser.error("--delta: a number above 0 and below 1")
    if asked.runs < 1 or asked.rows < 100 or asked.seconds <= 0:
        parser.error("at least one run, a hundred rows and some time")


if __name__ == "__main__":
    main()
