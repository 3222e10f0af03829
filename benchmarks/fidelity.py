"""How faithful the product's own tables are: measuring and loop on one integer-coded table.

    python -m benchmarks.fidelity --train T.csv --test H.csv --domain D.json --target COL \\
        --epsilon 1 --delta 1e-9 --seed 0 --out S.csv [--purpose COL] \\
        [--proposer embedded|public|random|sharp|malicious] [--public P.csv] \\
        [--hints informed|misinformed|random|malicious]

CSVs hold codes 0..size-1; D.json is {"column": size} and fixes the columns. The table is measured through
OpenDP against a ledger in memory, released, and rebuilt by the loop with the embedded proposer, whose
prompts are rendered and parsed as in the product. The synthetic table has as many rows as the released
noisy total. ``--purpose`` declares a column of interest: its tables are measured for certain. ``--test``,
``--target`` and ``--positive`` are for a judge and are never read here.
``--proposer public``
learns a mixture from the public reference table ``--public`` (in the same coding) and supposes it while
measuring and rebuilding; ``random``, ``sharp`` and ``malicious`` suppose mixtures that are wrong.

The last line printed is one JSON object; ``tvd`` compares the synthetic table with the noised tables it was
made from: the mean distance, and what of it the noise of these tables does not explain.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: results must not depend on threads
os.environ.setdefault("RUST_BACKTRACE", "0")

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from audit.rendering import render
from benchmarks import hinted, hostile, tables
from privacy import accounting
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.dp.execution import execute
from privacy.plans import MeasurementPlan, adaptive_default, for_purpose
from privacy.purposes import Purpose
from privacy.values import Domain, HardRule, IntArray, NoisyMarginal, PrivacyUnit, Release
from synthesis.llm import answers
from synthesis.llm.embedded import EmbeddedProvider
from synthesis.loop import Iteration, Loop, LoopSettings, ProposalPlan, mixtures
from synthesis.loop.reports import NOISE
from synthesis.prompts import Columns, PromptBuilder

MOST_ITERATIONS = 12
DISCREPANCIES, PROPOSALS = 12, 5


@dataclass(frozen=True)
class Codes:
    """A declared table whose labels are its codes, none of them public."""

    domain: Domain

    @property
    def names(self) -> tuple[str, ...]:
        return self.domain.columns

    def labels(self, column: str) -> tuple[str, ...]:
        return tuple(str(code) for code in range(self.domain.size(column)))

    def is_public(self, column: str) -> bool:
        return False


Ask = Callable[[bytes], bytes]
"""A rendered prompt to a chat completion."""


def embedded(prompt: bytes) -> bytes:
    return EmbeddedProvider().complete(prompt).body


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, rebuild, write the table and print the figures."""
    asked = _arguments(arguments)
    began = time.monotonic()
    domain = _domain(asked)
    rho = accounting.rho_for(epsilon=asked.epsilon, delta=asked.delta)
    ledger = MemoryLedger(rho)
    codes, plan, supposed = _read(asked.train, domain), _plan(asked, domain), suppose(asked, domain)
    learned = time.monotonic() - began
    release = measure(codes, domain, ledger=ledger, rho=rho, seed=asked.seed, plan=plan, supposed=supposed)
    measured = time.monotonic() - began - learned
    loop, iterations = rebuild(release, settings=LoopSettings(), seed=asked.seed, supposed=supposed)
    converged = loop.converged()
    records = loop.records(asked.rows or loop.total)
    pd.DataFrame(records, columns=list(domain.columns)).to_csv(asked.out, index=False)
    print(json.dumps({
        "seconds": round(time.monotonic() - began, 2),
        "seconds_learning": round(learned, 2), "seconds_measuring": round(measured, 2),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "epsilon": float(asked.epsilon), "delta": float(asked.delta), "rho": float(ledger.spent),
        "rho_allowed": float(rho),
        "cliques": sum(len(m.clique.columns) > 1 for m in release.marginals),
        "rows": len(records), "iterations": len(iterations), "converged": converged,
        "residual": round(iterations[-1].residual, 4),
        "hints": asked.hints, "proposer": asked.proposer, "components": len(supposed.proposals) if supposed else 0,
        "weight_on_component_0": round(iterations[-1].alone, 4),
        "supposed": loop.opinion.reason,
        "accepted": sum(each.accepted for each in iterations),
        "rejected": sum(len(each.rejected) for each in iterations),
        "tvd": {str(k): _distance(records, release, columns=k) for k in (1, 2)},
        "settings": asdict(LoopSettings()), "seed": asked.seed,
    }))  # fmt: skip


def suppose(asked: argparse.Namespace, domain: Domain) -> ProposalPlan | None:
    """What the loop supposes before anything is released; None with the embedded proposer alone."""
    if asked.proposer == "embedded":
        return None
    if asked.proposer == "public":
        return mixtures.learn(_read(asked.public, domain), domain, seed=asked.seed)
    return hostile.plan(asked.proposer, domain, seed=asked.seed)


def measure(
    codes: IntArray,
    domain: Domain,
    *,
    ledger: MemoryLedger,
    rho: Decimal,
    seed: int,
    plan: MeasurementPlan | None = None,
    supposed: ProposalPlan | None = None,
) -> Release:
    """Everything that touches the data: charged to the ledger, noised by OpenDP. One row is one unit."""
    unit = PrivacyUnit()
    model = Loop(domain, settings=LoopSettings(), seed=seed, supposed=supposed)
    counter = NumpyCounter(codes, domain)
    tables = execute(plan or adaptive_default(domain), counter=counter, charge=ledger, model=model, unit=unit, rho=rho)
    return Release.of("benchmark", domain, tables, unit, ledger.spent, Decimal(0))


def rebuild(
    release: Release,
    *,
    settings: LoopSettings,
    seed: int,
    rules: Sequence[HardRule] = (),
    supposed: ProposalPlan | None = None,
    columns: Columns | None = None,
    ask: Ask = embedded,
) -> tuple[Loop, list[Iteration]]:
    """The loop over a release, with whoever answers (the embedded proposer), until every table is within its noise."""
    loop = Loop.from_release(release, settings=settings, seed=seed, rules=rules, supposed=supposed)
    done: list[Iteration] = []
    known = columns or Codes(release.domain)
    while len(done) < MOST_ITERATIONS and not (done and loop.converged()):
        done.append(loop.iterate(propose(loop, release, known, number=len(done) + 1, ask=ask)))
    return loop, done


def propose(loop: Loop, release: Release, columns: Columns, *, number: int, ask: Ask) -> ProposalPlan:
    """Ask a proposer as the product does: rendered prompt, completion, validated plan."""
    found = loop.discrepancies(DISCREPANCIES)
    if not found:
        return ProposalPlan()
    missing = sum(max(each.target - each.now, 0) for each in found) or 1
    builder = PromptBuilder(columns, release=release.id, source="benchmark", model="benchmark")
    prompt = builder.build(found, iteration=number, proposals=PROPOSALS, records=missing)
    return answers.parse_completion(ask(render(prompt)), release.domain)[0]


def _distance(records: IntArray, release: Release, *, columns: int) -> dict[str, float]:
    """Mean over the released tables of this many columns: raw, and beyond the noise of the tables."""
    tables = [marginal for marginal in release.marginals if len(marginal.clique.columns) == columns]
    raw = np.array([_gap(records, table, release.domain) for table in tables] or [0.0])
    noise = np.array([NOISE * table.sigma * table.counts.size for table in tables] or [0.0])
    total = max(float(np.mean([table.counts.sum() for table in release.marginals])), 1.0)
    beyond = np.maximum(raw - noise, 0).mean() / (2 * total)
    return {"raw": round(float(raw.mean() / (2 * total)), 5), "beyond_noise": round(float(beyond), 5)}


def _gap(records: IntArray, table: NoisyMarginal, domain: Domain) -> float:
    """Sum over cells of |released - synthetic|, the synthetic table scaled to the released total."""
    counts = NumpyCounter(records, domain).counts(table.clique)
    return float(np.abs(table.counts - counts * (table.counts.sum() / max(len(records), 1))).sum())


def _plan(asked: argparse.Namespace, domain: Domain) -> MeasurementPlan:
    if asked.one_way:
        return MeasurementPlan(one_way_share=Decimal(1), rounds=0, per_round=1)
    plan = for_purpose(domain, Purpose((asked.purpose,))) if asked.purpose else adaptive_default(domain)
    known = _read(asked.public, domain) if asked.public else None
    return hinted.told(plan, asked.hints, domain, known) if asked.hints else plan


def _domain(asked: argparse.Namespace) -> Domain:
    try:
        domain = tables.read_domain(Path(asked.domain))
    except tables.BadTable as error:
        raise SystemExit(str(error)) from None
    if asked.purpose and asked.purpose not in domain.columns:
        raise SystemExit(f"--purpose: {asked.purpose!r} is not a declared column")
    return domain


def _read(path: str, domain: Domain) -> IntArray:
    try:
        return tables.read_codes(Path(path), domain)
    except tables.BadTable as error:
        raise SystemExit(str(error)) from None


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--train", "--domain", "--out"):
        parser.add_argument(name, required=True)
    for name in ("--test", "--target", "--positive"):
        parser.add_argument(name, help="for the judge only")
    parser.add_argument("--epsilon", type=Decimal, required=True)
    parser.add_argument("--delta", type=Decimal, default=Decimal("1e-9"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, help="default: the released noisy total")
    parser.add_argument("--purpose", help="a column of interest, measured with every other column")
    parser.add_argument("--one-way", action="store_true", help="measure no two columns together, to compare with")
    parser.add_argument(
        "--proposer", choices=("embedded", "public", "random", "sharp", "malicious"), default="embedded"
    )
    parser.add_argument("--hints", choices=(*hinted.KNOWING, *hinted.KINDS), help="said before measuring")
    parser.add_argument("--public", help="a public table in the same coding, for --proposer public and for such hints")
    asked = parser.parse_args(arguments)
    if (asked.proposer == "public" or asked.hints in hinted.KNOWING) != (asked.public is not None):
        parser.error("--public belongs with --proposer public, and with hints that come from it")
    return asked


if __name__ == "__main__":
    main()
