"""The product's side of the release benchmark: a site of its own, an upload, and a release out of its vault.

Imported only once Django is set up.
"""

from __future__ import annotations

import io
import resource
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management import call_command

from llmsynthor_site import services as people
from llmsynthor_site.models import User
from privacy import ledger, measuring, pacing, plans, selectors, services
from privacy.models import Dataset, LedgerEntry
from privacy.values import Clique, Domain, IntArray, NoisyMarginal, Release

RHO = Decimal("0.5")
FURTHEST = 8.0
"""Standard deviations; one of a million cells is beyond this once in a billion runs."""


class Onlooker:
    """A model that expects nothing: the plan's tables are fixed."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    def expected(self, clique: Clique) -> IntArray:
        return np.zeros(clique.shape(self.domain), dtype=np.int64)

    def observe(self, marginal: NoisyMarginal) -> None:
        """Nothing is learnt."""


def upload(declaration: str, path: Path) -> dict[str, Any]:
    """A new site, whose owner hands in the file; how long reading took, and the reading process' memory."""
    for alias in ("default", "log"):
        call_command("migrate", database=alias, verbosity=0)
    for command in ("make_keys", "make_vault_keys"):
        call_command(command, verbosity=0, stdout=io.StringIO())
    owner = User.objects.create(username="owner", email="owner@example.org")
    people.grant_role(by=None, user=owner, role="owner")
    dataset = services.register_dataset(by=owner, declaration=declaration)
    began = time.monotonic()
    with path.open("rb") as stream:
        version = services.receive_upload(by=owner, dataset=dataset, stream=stream, filename=path.name)
    return {
        "file_mib": version.size_bytes // 2**20,
        "rows": version.rows_kept,
        "ingest_seconds": round(time.monotonic() - began, 3),
        "ingest_peak_rss_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
    }


def release(exact: Path) -> dict[str, Any]:
    """Reserve, measure and store every table of pairs; SystemExit when what came out is not what was asked."""
    dataset = Dataset.objects.get()
    domain = selectors.domain(dataset)
    plan = plans.all_pairs(domain)
    pacing.Tick.wait = _at_once  # type: ignore[method-assign, assignment]
    pacing.Tick.overrun = False  # type: ignore[method-assign, assignment]  # a busy machine is slow, not wrong
    began = time.monotonic()
    ledger.reserve(dataset=dataset, rho=RHO, delta=Decimal(0), key="benchmark", by="system")
    record = services.open_release(dataset=dataset, rho=RHO, plan=plan, key="benchmark")
    found = measuring.run(plan, Onlooker(domain), release=record)
    seconds = time.monotonic() - began
    _check(found, exact)
    return {"seconds": round(seconds, 3)}


def _at_once(tick: pacing.Tick, beat: object) -> None:
    """In place of the wait for the tick, which is the same whatever the work before it took."""


def _check(found: Release, exact: Path) -> None:
    """Every pair was released and paid for, and is off by its noise: neither by more, nor not at all."""
    with np.load(exact) as tables:
        released = {" ".join(each.clique.columns): each for each in found.marginals}
        gaps = [(released[name].counts - tables[name]) / released[name].sigma for name in tables.files]
    charges = LedgerEntry.objects.filter(kind="COMMIT").count()
    every = np.concatenate([gap.ravel() for gap in gaps])
    if charges != len(found.marginals) or np.abs(every).max() > FURTHEST or not 0.5 < every.std() < 2:
        raise SystemExit("the released tables are not the exact ones with their noise")
