"""Which synthesizers are compared, and the command that runs each on one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from privacy import accounting

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Job:
    """One table to make: files in, budget, where it goes."""

    train: Path
    domain: Path
    target: str
    out: Path
    epsilon: str
    delta: str
    seed: int

    @property
    def files(self) -> list[str]:
        return ["--train", str(self.train), "--domain", str(self.domain), "--out", str(self.out)]

    @property
    def budget(self) -> list[str]:
        return ["--epsilon", self.epsilon, "--delta", self.delta, "--seed", str(self.seed)]

    @property
    def rho(self) -> str:
        return str(accounting.rho_for(epsilon=Decimal(self.epsilon), delta=Decimal(self.delta)))


def ours(*extra: str) -> Callable[[str, Job], list[str]]:
    return lambda python, job: [python, "-m", "benchmarks.fidelity", *job.files, *job.budget, *extra]


def for_target(python: str, job: Job) -> list[str]:
    return ours("--purpose", job.target)(python, job)


def opendp(mechanism: str) -> Callable[[str, Job], list[str]]:
    script = str(FOLDER / "peer_opendp.py")
    return lambda python, job: [
        python, script, "--mechanism", mechanism, *job.files, "--target", job.target, "--rho", job.rho
    ]  # fmt: skip


def dpmm(python: str, job: Job) -> list[str]:
    return [python, str(FOLDER / "peer_dpmm.py"), *job.files, *job.budget]


@dataclass(frozen=True)
class Synthesizer:
    """``environment``: whose Python runs it; None is the product's own."""

    label: str
    environment: str | None
    command: Callable[[str, Job], list[str]]


SYNTHESIZERS = {
    "ours": Synthesizer("this project", None, ours()),
    "ours-purpose": Synthesizer("this project, target declared", None, for_target),
    "ours-one-way": Synthesizer("this project, one column at a time", None, ours("--one-way")),
    "opendp-mst": Synthesizer("OpenDP MST, sampled", "opendp", opendp("mst")),
    "opendp-aim": Synthesizer("OpenDP AIM of pairs, sampled", "opendp", opendp("aim")),
    "opendp-star": Synthesizer("OpenDP, each column with the target, sampled", "opendp", opendp("star")),
    "dpmm-mst": Synthesizer("dpmm MST", "dpmm", dpmm),
}
