"""A full site for `benchmarks.portal`: people, datasets, requests, votes, ledger lines, calls, notices and the log.

Rows are written in bulk, not through the services: only their number and shape matter to a page. Nothing is random
but by a fixed seed.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
OWNERS, STEWARDS, RESEARCHERS, AUDITORS, ADMINS = 20, 12, 200, 3, 3
CHARGES, PER_PERSON, ENDPOINTS, AT_ONCE = 4, 200, 60, 2000
ENDED = ("released", "rejected", "withdrawn", "failed", "revoked")
OPEN = ("draft", "returned", "submitted", "in_review", "measured", "checking", "paused", "synthesising")
FIELDS = [
    {"name": "sex", "type": "string", "categories": ["f", "m"], "constraints": {"required": True}},
    {"name": "age", "type": "integer", "constraints": {"minimum": 0, "maximum": 99}, "bins": {"equalWidth": 10}},
]


def declaration(number: int) -> str:
    return json.dumps({
        "title": f"Survey {number}", "population": f"people of place {number}", "purposes": ["research"],
        "privacyUnit": {"kind": "row", "means": "one person"}, "cap": {"rho": "9", "delta": "1e-6"}, "fields": FIELDS,
    })  # fmt: skip


def in_bulk(model: Any, rows: Iterable[Any]) -> list[Any]:
    """Write rows of one model, some thousand at once, and return them with their keys."""
    made, waiting = [], iter(rows)
    while batch := list(islice(waiting, AT_ONCE)):
        made += model.objects.bulk_create(batch)
    return made


def fill(datasets: int, requests: int) -> None:
    """Everything but the log, which `benchmarks.desk` writes."""
    people = fill_people()
    declared = fill_datasets(datasets, people["owner"])
    made = fill_requests(requests, declared, people["researcher"])
    fill_votes(made, people["steward"])
    fill_ledger(made)
    fill_packages([one for one in made if one.state in ("released", "revoked")])
    fill_door(declared, made)
    fill_notices(people)
    fill_changes(people)


def fill_people() -> dict[str, list[Any]]:
    from llmsynthor_site.models import RoleGrant, User

    numbers = {"owner": OWNERS, "steward": STEWARDS, "researcher": RESEARCHERS, "auditor": AUDITORS, "admin": ADMINS}
    found = {}
    for role, number in numbers.items():
        rows = (
            User(username=f"{role}{at}", last_name=f"Name {at}", email=f"{role}{at}@example.org")
            for at in range(number)
        )
        found[role] = in_bulk(User, rows)
        in_bulk(RoleGrant, (RoleGrant(user=user, role=role) for user in found[role]))
    return found


def fill_datasets(number: int, owners: list[Any]) -> list[Any]:
    from privacy.models import Dataset, DatasetVersion, LedgerEntry, Population

    populations = in_bulk(Population, (
        Population(name=f"people of place {at}", key=f"p{at}", owner=owners[at % len(owners)], delta=Decimal("1e-6"))
        for at in range(number)
    ))  # fmt: skip
    made = in_bulk(Dataset, (
        Dataset(title=f"Survey {at}", owner=of.owner, population=of, declaration=declaration(at),
                declaration_hash="0" * 64)
        for at, of in enumerate(populations)
    ))  # fmt: skip
    in_bulk(DatasetVersion, (
        DatasetVersion(dataset=one, number=1, file_name="t.csv", size_bytes=1, rows_read=9, rows_kept=9,
                       fingerprint=str(at), uploaded_by=one.owner)
        for at, one in enumerate(made)
    ))  # fmt: skip
    in_bulk(LedgerEntry, (
        LedgerEntry(population=of, kind="CAP_SET", rho=Decimal(9), delta=Decimal("1e-6"), key=f"cap:{of.pk}", by="x")
        for of in populations
    ))  # fmt: skip
    return made


def fill_requests(number: int, datasets: list[Any], people: list[Any]) -> list[Any]:
    """One in ten is open; the rest ended long ago."""
    from synthesis.models import SynthesisRequest

    rng = random.Random(1)
    return in_bulk(SynthesisRequest, (
        SynthesisRequest(
            dataset=rng.choice(datasets), requester=rng.choice(people), title=f"Request number {at}", purpose="p" * 400,
            context="c" * 400, rows=1000, epsilon=Decimal(1), delta=Decimal("1e-6"), rho=Decimal("0.02"), seed=at,
            state=rng.choice(OPEN if at % 10 == 0 else ENDED), round=1, version=7, content_hash=f"{at:064x}",
            snapshot={"plan": {"one_way_share": "0.3", "select_share": "0.1", "max_cells": 10000, "searches": []}},
        )
        for at in range(number)
    ))  # fmt: skip


def fill_votes(requests: list[Any], stewards: list[Any]) -> None:
    from synthesis.models import Vote

    rng = random.Random(2)

    def rows() -> Iterator[Any]:
        for one in requests:
            if one.state in ("draft", "submitted", "returned", "withdrawn"):
                continue
            for gate in ("measure", "output") if one.state in ("released", "revoked") else ("measure",):
                for voter in rng.sample(stewards, 1 if one.state == "in_review" else 2):
                    yield Vote(request=one, gate=gate, round=1, voter=voter, requester=one.requester,
                               decision="approve", content_hash=one.content_hash)  # fmt: skip

    in_bulk(Vote, rows())


def fill_ledger(requests: list[Any]) -> None:
    """A reservation and some charges for every request that was measured."""
    from privacy.models import LedgerEntry

    spent = [one for one in requests if one.state in ("released", "revoked", "failed", "measured", "checking")]
    shared = {"mechanism": "discrete gaussian", "scale": "11.3", "kind": "table"}
    reserved = in_bulk(LedgerEntry, (
        LedgerEntry(population_id=one.dataset.population_id, dataset_id=one.dataset_id, kind="RESERVE",
                    rho=Decimal("0.002"), request=str(one.pk), key=f"r:{one.pk}", by="system")
        for one in spent
    ))  # fmt: skip
    in_bulk(LedgerEntry, (
        LedgerEntry(population_id=of.population_id, dataset_id=of.dataset_id, kind="COMMIT", rho=Decimal("0.0005"),
                    request=of.request, key=f"{of.key}:{at}", reservation=of, facts=shared, by="system")
        for of in reserved for at in range(CHARGES)
    ))  # fmt: skip


def fill_packages(requests: list[Any]) -> None:
    from synthesis.models import DownloadGrant, DownloadLink, Package, Receipt, Run

    runs = in_bulk(Run, (Run(request=one, settings={}, report={"tables": ["t" * 500]}) for one in requests))
    files = [{"name": "data.csv", "sha256": "0" * 64}]
    packages = in_bulk(Package, (Package(run=run, manifest={"files": files}, content_hash="0" * 64) for run in runs))
    until = datetime.now(UTC) + timedelta(days=60)
    grants = in_bulk(DownloadGrant, (
        DownloadGrant(package=one, user=one.run.request.requester, expires_at=until, licence_version="1")
        for one in packages
    ))  # fmt: skip
    links = in_bulk(DownloadLink, (
        DownloadLink(grant=one, token_hash=f"{at:064x}", file_name="data.csv", expires_at=until)
        for at, one in enumerate(grants)
    ))  # fmt: skip
    in_bulk(Receipt, (
        Receipt(grant=one.grant, link=one, user=one.grant.user, file_name="data.csv", file_hash="0" * 64,
                licence_version="1")
        for one in links
    ))  # fmt: skip


def fill_door(datasets: list[Any], requests: list[Any]) -> None:
    from synthesis.models import CallFinding, Endpoint, KillSwitch, Probe

    now = datetime.now(UTC)
    endpoints = in_bulk(Endpoint, (
        Endpoint(name=f"endpoint {at}", base_url=f"http://localhost:{9000 + at}/v1", model="m")
        for at in range(ENDPOINTS)
    ))  # fmt: skip
    in_bulk(Probe, (
        Probe(endpoint=one, address=one.base_url, model="m", asked_by="user:admin0", started_at=now, finished_at=now,
              found={})
        for one in endpoints for _ in range(20)
    ))  # fmt: skip
    standing = [f"dataset:{one.pk}" for one in datasets] + [f"request:{one.pk}" for one in requests[:1000:10]]
    in_bulk(KillSwitch, (KillSwitch(target=one, reason="A question.", set_by="user:steward1") for one in standing))
    in_bulk(KillSwitch, (
        KillSwitch(target=one, reason="Old.", set_by="user:steward1", lifted_by="user:steward2", lifted_at=now)
        for one in standing
    ))  # fmt: skip
    in_bulk(CallFinding, (
        CallFinding(kind="uncounted call", subject=f"intent:{at:032x}", detail="not counted",
                    **({"closed_by": "user:steward1", "closed_at": now} if at % 2 else {}))
        for at in range(1000)
    ))  # fmt: skip


def fill_notices(people: dict[str, list[Any]]) -> None:
    from llmsynthor_site.models import Notice

    in_bulk(Notice, (
        Notice(user=one, text=f"Request {at:08x} waits for decisions at gate A.", url="/", key=f"k{at}")
        for group in people.values() for one in group for at in range(PER_PERSON)
    ))  # fmt: skip


def fill_changes(people: dict[str, list[Any]]) -> None:
    from llmsynthor_site.models import PeopleChange

    first, second = people["admin"][:2]
    in_bulk(PeopleChange, (
        PeopleChange(kind="reset", user=one, reason="Lost.", proposed_by=first) for one in people["researcher"]
    ))  # fmt: skip
    in_bulk(PeopleChange, (
        PeopleChange(kind="reset", user=people["owner"][0], reason="Lost.", proposed_by=first, outcome="confirmed",
                     decided_by=second, decided_at=BEGIN)
        for _ in range(300)
    ))  # fmt: skip


def busiest_run() -> Any:
    """A released request whose run sent many prompts."""
    from audit.models import PromptFigures, PromptRecord
    from synthesis.models import SynthesisRequest

    request = SynthesisRequest.objects.filter(state="released").select_related("run").earliest("pk")
    if PromptRecord.objects.filter(run=str(request.run.pk)).exists():
        return request
    made = in_bulk(PromptRecord, (
        PromptRecord(intent_id=uuid.uuid5(request.pk, str(at)).hex, run=str(request.run.pk), sequence=at, attempt=1,
                     endpoint="e1", by="system", state="answered", body_id="b", map_id="m", deadline=BEGIN,
                     intent_index=at)
        for at in range(400)
    ))  # fmt: skip
    in_bulk(PromptFigures, (PromptFigures(record=one, at=BEGIN, total=4000, answer=900) for one in made))
    return request
