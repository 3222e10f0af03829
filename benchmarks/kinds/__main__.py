"""Related tables measured and made again.

    python -m benchmarks.kinds {population,mobility,retail} --data FOLDER --epsilon E --seed 0 --out FOLDER \\
        [--schema FILE] [--delta D] [--floor | --independent | --site] [--record FILE]
        [--unit person] [--households N] [--private N [--public M]]

FOLDER holds the files that the declaration names (benchmarks/schemas/KIND.json, or ``--schema``). They are measured
through OpenDP against a ledger in memory, with the top entity as the privacy unit, and written anew to ``--out``: the
same tables, columns and spelling, other keys. ``--floor`` measures without noise, which is not private and says what
truncation and model alone cost; ``--independent`` spends the same epsilon on members that know nothing of each other;
``--site`` does what a site does with such a declaration, by its own rules and budget alone.

``--unit person`` takes every person for a unit, which hides less and says nothing of households; ``--households``
makes so many units, whatever was released; ``--private`` measures so many units drawn from the data, and ``--public``
gives as many others away as a public sample, which tables are believed to resemble as far as they themselves say so.

The last line is one JSON object; ``queries`` are mean relative errors of the questions in benchmarks/queries/, by
group, and ``statistics`` are total variation distances between the tables read and written.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: results must not depend on threads
os.environ.setdefault("RUST_BACKTRACE", "0")

import argparse
import json
import resource
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks import records
from benchmarks.kinds import site
from benchmarks.kinds.declared import SCHEMAS, BadData, Declaration
from benchmarks.kinds.extents import SHARE, Bounds
from benchmarks.kinds.mobility import Mobility
from benchmarks.kinds.population import Population
from benchmarks.kinds.queries import QUERIES
from benchmarks.kinds.queries import asked as asked_of
from benchmarks.kinds.retail import Retail
from privacy import accounting
from privacy.dp.charging import MemoryLedger
from synthesis.members import People

KINDS: dict[str, Any] = {"population": Population, "mobility": Mobility, "retail": Retail}


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    try:
        line = run(asked)
    except BadData as error:
        raise SystemExit(str(error)) from None
    records.tell(line, asked.record)


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Read, measure, make, write, compare."""
    began = time.monotonic()
    declared = Declaration.read(asked.schema or SCHEMAS / f"{asked.kind}.json")
    if asked.unit == "person":
        declared = declared.of_members()
    rho = accounting.rho_for(epsilon=asked.epsilon, delta=asked.delta - KINDS[asked.kind](declared).delta)
    ledger = None if asked.method == "floor" else MemoryLedger(rho)
    bounds, rho = _bounds(asked, declared, ledger, rho)
    declared = declared.within(bounds)
    kind = KINDS[asked.kind](declared)
    if asked.method == "site":
        site.declaration(declared)
    real = kind.read(asked.data)
    private, options = _sampled(asked, real)
    if asked.method == "site":
        broken = site.make(declared, asked.data, asked.out, ledger, rho=rho, seed=asked.seed)
        made = kind.read(asked.out)
    else:
        made, broken = kind.make(private, ledger, rho=rho, seed=asked.seed, independent=asked.method == "independent",
                                 **options)  # fmt: skip
        kind.write(made, asked.out, seed=asked.seed)
    seconds = time.monotonic() - began
    return {
        "kind": asked.kind, "method": asked.method, "epsilon": float(asked.epsilon), "delta": float(asked.delta),
        "rho": float(ledger.spent) if ledger else None, "seed": asked.seed, "unit": declared.unit, "k": 1,
        "seconds": round(seconds, 1), "cpu_seconds": round(time.process_time(), 1),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "queries": _queries(asked), **_facts(asked),
        "statistics": {name: round(each, 5) for name, each in kind.statistics(real, made).items()},
        "rule_violations": broken, **kind.about(real), "outside": declared.told,
        **({"bounds": bounds} if bounds else {}),
    }  # fmt: skip


def _bounds(
    asked: argparse.Namespace, declared: Declaration, ledger: MemoryLedger | None, rho: Decimal
) -> tuple[dict[str, Bounds], Decimal]:
    """The bounds of fields that reach further in other files, and what they leave of rho."""
    spreads = [] if asked.method == "site" else KINDS[asked.kind](declared).spreads(asked.data)
    share = accounting.rho_down(rho * SHARE)
    found = {each.field: each.found(ledger, rho=share) for each in spreads}
    return {name: each for name, each in found.items() if each is not None}, rho - share * len(spreads)


def _sampled(asked: argparse.Namespace, real: Any) -> tuple[Any, dict[str, Any]]:
    """The units to be measured, and what of the public sample and of the number of units the model is told."""
    options: dict[str, Any] = {"units": asked.households} if asked.households else {}
    if not asked.private:
        return real, options
    if not isinstance(real, People):
        raise BadData("--private draws units of one level: a population's")
    private, public = real.sampled(asked.private, asked.public or 0, seed=asked.seed)
    return private, options | ({"public": public} if asked.public else {})


def _queries(asked: argparse.Namespace) -> dict[str, Any]:
    """Relative errors by group, where the kind has a query file and units are whole."""
    path = QUERIES / f"{asked.kind}.json"
    return asked_of(path, asked.data, asked.out)["groups"] if path.exists() and asked.unit == "declared" else {}


def _facts(asked: argparse.Namespace) -> dict[str, Any]:
    """How a run differs from the plain one."""
    names = ("households", "private", "public")
    told = {name: value for name in names if (value := getattr(asked, name)) is not None}
    told |= {"alone": True} if asked.unit == "person" else {}
    return told | ({"apart": json.dumps(told)} if told else {})


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=tuple(KINDS))
    parser.add_argument("--data", type=Path, required=True, help="the folder of the tables")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--epsilon", type=Decimal, required=True)
    parser.add_argument("--delta", type=Decimal, default=Decimal("1e-6"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--schema", type=Path, help="another declaration of the same kind")
    parser.add_argument("--record", type=Path, help="append the line to this file")
    parser.add_argument("--unit", choices=("declared", "person"), default="declared")
    parser.add_argument("--households", type=int, help="units to make")
    parser.add_argument("--private", type=int, help="units to measure, drawn from the data")
    parser.add_argument("--public", type=int, help="other units, given away as a public sample")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--floor", dest="method", action="store_const", const="floor", default="ours")
    which.add_argument("--independent", dest="method", action="store_const", const="independent")
    which.add_argument("--site", dest="method", action="store_const", const="site")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
