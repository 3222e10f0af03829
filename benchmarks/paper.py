"""The paper's controlled e-commerce experiment, with this project's loop beside the paper's own figures.

    python -m benchmarks.paper [--runs 5] [--epsilon 1 10] [--only exact greedy ...] [--record R.jsonl] [--out FOLDER]
    python -m benchmarks.paper --cost 2000 20000 200000 [--record R.jsonl]

A real table of 2,000 rows is drawn for every seed (``benchmarks/ecommerce.py``). Methods:

* ``exact``: the loop on exact counts of every column and of the paper's three groups. NOT PRIVATE: the product has no
  such mode; it is what the paper does, with the same targets.
* ``private``: the product's own measuring and loop at an epsilon; which tables are bought is its own choice.
* ``named``: the same with the paper's three groups named beforehand, as a structure inference would.
* ``greedy``: a planner without a language model in the paper's own loop, on exact counts. NOT PRIVATE.
* ``redrawn``: another 2,000 rows of the same law, so that one sees what sampling alone does.

``exact`` and ``private`` run once for each proposer: embedded; and over HTTP the stand-in model of tests/fakes,
``obliging`` (names the missing cells) and ``informed`` (knows another 2,000 rows), rendered and parsed as in the
product.
``--cost`` tells calls, bytes and tokens of prompts and answers by the number of rows, and what a record takes when a
model writes each by itself. Tokens are pieces of text, see ``pieces``. ``--out`` keeps the tables as CSV.
Prints one JSON object a line; ``--record`` appends them to a file, for ``benchmarks.report``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: results must not depend on threads
os.environ.setdefault("RUST_BACKTRACE", "0")

import argparse
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import ecommerce, fidelity, paper_greedy, paper_metrics, records
from privacy import accounting
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.plans import MeasurementPlan
from privacy.schema import Schema
from privacy.values import Clique, NoisyMarginal, PrivacyUnit, Release
from synthesis.llm.openai_provider import OpenAIProvider
from synthesis.loop import LoopSettings
from tests.fakes.behaviours import first_cells, informed
from tests.fakes.openai_server import OpenAIServer

DELTA = Decimal("1e-6")
CLOSE = 0.03  # of a record: the loop's evidence always has some noise, and exact counts are given this little
EXACT = LoopSettings(refinement_passes=8)  # counts without noise are worth meeting more closely than the product does
PROPOSERS = ("embedded", "obliging", "informed")
METHODS = ("exact", "private", "named", "greedy", "redrawn")
PUBLIC_SEED = 1000  # added to a run's seed for the rows that the informed stand-in knows
AGAIN_SEED = 2000


PIECE = re.compile(r"[^\W\d_]+|\d{1,3}|[^\w\s]+|_+|\s+")


@dataclass
class Asked:
    """What a run's proposer was asked and answered, as text."""

    prompts: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, int]:
        """Calls, and bytes and tokens of all prompts and answers."""
        parts = {"prompt": self.prompts, "answer": self.answers}
        sizes = {f"{name}_bytes": sum(len(text.encode()) for text in texts) for name, texts in parts.items()}
        tokens = {f"{name}_tokens": sum(map(pieces, texts)) for name, texts in parts.items()}
        return {"calls": len(self.prompts), **sizes, **tokens}


def pieces(text: str) -> int:
    """Tokens of a text, about: words, up to three digits, runs of marks, blanks.

    Tokenizers cut text up like this first and then cut long words further, so that it is a little less than a
    model's own count. No tokenizer is at hand here without a download.
    """
    return len(PIECE.findall(text))


@dataclass(frozen=True)
class Words:
    """The declared names and labels, all of them public, as a prompt tells them."""

    known: Schema

    @property
    def names(self) -> tuple[str, ...]:
        return self.known.domain.columns

    def labels(self, column: str) -> tuple[str, ...]:
        return self.known.labels(column)

    def is_public(self, column: str) -> bool:
        return self.known.public(column)


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    for line in _costs(asked) if asked.cost else _runs(asked):
        records.tell(line, asked.record)


def _runs(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for seed in range(asked.runs):
        real = ecommerce.draw(ecommerce.ROWS, seed=seed)
        for about in _methods(asked):
            made, said = make(real, seed=seed, **about)
            if asked.out:
                asked.out.mkdir(parents=True, exist_ok=True)
                name = "-".join(str(each) for each in (*about.values(), seed))
                made.to_csv(asked.out / f"{name}.csv", index=False)
            yield {"kind": "paper", "rows": len(real), **_named(about), "seed": seed, **said,
                   **paper_metrics.figures(real, made)}  # fmt: skip


def _methods(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for method in asked.only:
        proposers = PROPOSERS if method in ("exact", "private") else ("embedded",)
        epsilons = asked.epsilon if method in ("private", "named") else [None]
        for epsilon in epsilons:
            for proposer in proposers:
                yield {"method": method, "proposer": proposer, "epsilon": epsilon}


def _named(about: dict[str, Any]) -> dict[str, Any]:
    """A run's facts as recorded: the method's name holds the proposer's."""
    method = about["method"]
    if method in ("exact", "private", "named"):
        method = f"{method}, {about['proposer']}"
    return {"method": method} | ({"epsilon": float(about["epsilon"])} if about["epsilon"] else {})


def make(
    real: pd.DataFrame, *, method: str, proposer: str, epsilon: str | None, seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A synthetic table of as many rows, and what its making took."""
    if method == "redrawn":
        return ecommerce.draw(len(real), seed=seed + AGAIN_SEED), {}
    if method == "greedy":
        return paper_greedy.make(real, seed=seed), {}
    known = ecommerce.declared()
    release = _released(real, known, method, epsilon, seed)
    return rebuilt(release, known, rows=len(real), proposer=proposer, seed=seed)


def _released(real: pd.DataFrame, known: Schema, method: str, epsilon: str | None, seed: int) -> Release:
    codes = ecommerce.coded(real, known)
    if epsilon is None:
        counter = NumpyCounter(codes, known.domain)
        cliques = [*(Clique.of(column) for column in known.domain.columns), *ecommerce.GROUPS]
        tables = [NoisyMarginal(c, counter.counts(c), CLOSE, f"exact/{at}") for at, c in enumerate(cliques)]
        return Release.of("benchmark", known.domain, tables, PrivacyUnit(), Decimal(0), Decimal(0))
    rho = accounting.rho_for(epsilon=Decimal(epsilon), delta=DELTA)
    plan = MeasurementPlan(
        one_way_share=Decimal("0.3"), fixed_share=Decimal("0.7"), fixed=ecommerce.GROUPS, rounds=0, per_round=1
    )
    named = plan if method == "named" else None
    return fidelity.measure(codes, known.domain, ledger=MemoryLedger(rho), rho=rho, seed=seed, plan=named)


def rebuilt(
    release: Release, known: Schema, *, rows: int, proposer: str, seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The loop's table, decoded as in the product, and what it took."""
    asked = Asked()
    with ExitStack() as stack:
        ask = _ask(proposer, known, asked, seed, stack)
        settings = LoopSettings() if release.rho else EXACT
        loop, done = fidelity.rebuild(release, settings=settings, seed=seed, columns=Words(known), ask=ask)
    made = known.decode(loop.records(rows), np.random.default_rng(seed))
    return made, {
        "iterations": len(done), "accepted": sum(each.accepted for each in done), **asked.figures(),
        "tables": sum(len(m.clique.columns) > 1 for m in release.marginals), "rho": float(release.rho),
    }  # fmt: skip


def _ask(proposer: str, known: Schema, asked: Asked, seed: int, stack: ExitStack) -> fidelity.Ask:
    """Whoever answers, counted; a stand-in model answers over HTTP until the stack unwinds."""
    answer = fidelity.embedded
    if proposer != "embedded":
        public = ecommerce.coded(ecommerce.draw(ecommerce.ROWS, seed=seed + PUBLIC_SEED), known)
        server = stack.enter_context(OpenAIServer(informed(public) if proposer == "informed" else first_cells))

        def answer(prompt: bytes) -> bytes:
            recorded = hashlib.sha256(prompt).hexdigest()
            provider = OpenAIProvider(base_url=server.base_url, api_key="none", timeout=60, expected=recorded)
            return provider.complete(prompt).body

    def counted(prompt: bytes) -> bytes:
        got = answer(prompt)
        asked.prompts.append(prompt.decode())
        asked.answers.append(json.loads(got)["choices"][0]["message"]["content"])
        return got

    return counted


def _costs(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Calls, bytes and tokens for tables of so many rows, and what a record takes when a model writes each."""
    for rows in asked.cost:
        real = ecommerce.draw(rows, seed=0)
        _, said = make(real, method="private", proposer="informed", epsilon=asked.epsilon[0], seed=0)
        spelled = [json.dumps(record) for record in real.head(1000).to_dict("records")]
        yield {"kind": "paper-cost", "rows": rows, "epsilon": float(asked.epsilon[0]), "seed": 0, **said,
               "record_bytes": float(np.mean([len(one.encode()) for one in spelled])),
               "record_tokens": float(np.mean([pieces(one) for one in spelled]))}  # fmt: skip


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each method, with seeds 0, 1, ...")
    parser.add_argument("--epsilon", nargs="+", default=["1", "10"])
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    parser.add_argument("--cost", nargs="+", type=int, metavar="ROWS", help="calls and bytes by rows instead")
    parser.add_argument("--record", type=Path, help="append the lines to this file")
    parser.add_argument("--out", type=Path, help="keep the synthetic tables in this folder")
    asked = parser.parse_args(arguments)
    if not all(records.positive(each) for each in asked.epsilon):
        parser.error("--epsilon: numbers above 0")
    if min(asked.runs, *(asked.cost or [1])) < 1:
        parser.error("at least one run and one row")
    return asked


if __name__ == "__main__":
    main()
