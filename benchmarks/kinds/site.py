"""The same tables as a site takes them: one declaration of related tables, its own plan and fit, nothing particular.

What gate A shows is measured through the product's stages, and the tables are written as a package holds them.
"""

from __future__ import annotations

import io
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import django
import numpy as np
import pandas as pd
from django.apps import apps

from benchmarks.fidelity import rebuild
from benchmarks.kinds.declared import BadData, Declaration, Table
from benchmarks.kinds.reading import OF_FIELDS
from privacy import gathering, member_tables, staging, tables
from privacy.bundles import Bundle
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.problems import SchemaError, UploadRefused
from privacy.related import Related
from privacy.schema import Schema
from privacy.values import PrivacyUnit, Release
from synthesis.loop import LoopSettings
from synthesis.members import MemberSettings

OWN = ("name", "key", "parent", "parentKey", "number", "least", "most", "rules", "together")
"""What a kind's table declares as a site's does; ``site`` in it says what only a site is told."""
LIMITS = tables.Limits(rows=10**8, columns=1000, cell_chars=1000)
SECRET = b"a key for hashing keys, of no use"


def declaration(declared: Declaration) -> Schema:
    """What an owner would register. BadData where the kind is not one that a site takes."""
    if "flat" in declared.facts:
        raise BadData(f"{declared.kind}: a site takes related tables as a file each, not one flat file")
    stored = {
        "title": declared.kind, "population": declared.facts["population"], "purposes": ["benchmark"],
        "privacyUnit": {"kind": "row", "means": declared.unit}, "cap": {"rho": "900", "delta": "1e-6"},
        "publicLabels": True, "tables": [_table(table) for table in declared.tables.values()],
    }  # fmt: skip
    try:
        return Schema.parse(json.dumps(stored))
    except SchemaError as error:
        raise BadData("; ".join(str(problem) for problem in error.problems)) from None


def _table(table: Table) -> dict[str, Any]:
    facts, told = table.facts, table.facts.get("site", {})
    fields = [{key: value for key, value in each.items() if key not in OF_FIELDS} for each in facts["fields"]]
    own = {name: facts[name] for name in OWN if name in facts}
    return own | {"file": table.file, "fields": fields} | told


def make(
    declared: Declaration, folder: Path, out: Path, ledger: MemoryLedger | None, *, rho: Decimal, seed: int
) -> int:
    """Measure the tables in ``folder`` and write them anew; how many rules are broken: none, or nothing is written."""
    if ledger is None:
        raise BadData("a site measures nothing without noise")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsynthor_site.settings")
    if not apps.ready:  # setting up twice would hand the log to whoever reads this process's output now
        django.setup()
    schema = declaration(declared)
    related = schema.related
    assert related is not None
    release = _measured(schema, related, _files(declared, related, folder), ledger, rho)
    loop, _ = rebuild(release, settings=LoopSettings(), seed=seed, rules=schema.rules)
    _write(declared, related, release, loop.records(loop.total), out, seed)
    return 0


def _files(declared: Declaration, related: Related, folder: Path) -> dict[str, bytes]:
    """The declared columns of the files, in spellings that the declaration knows."""
    found = {}
    for table, own in zip(related.tables, declared.tables.values(), strict=True):
        frame = own.read(folder)
        found[table.file] = frame[list(table.columns)].to_csv(index=False).encode()
    return found


def _measured(schema: Schema, related: Related, files: dict[str, bytes], ledger: MemoryLedger, rho: Decimal) -> Release:
    source: io.BufferedReader = io.BufferedReader(
        Bundle([(name, len(each), io.BytesIO(each)) for name, each in files.items()])
    )
    try:
        read = gathering.gather(related, source, delimiter=",", missing=schema.missing_values, limits=LIMITS,
                                most_bytes=10**10, key=SECRET)  # fmt: skip
    except UploadRefused as refused:
        raise BadData("; ".join(str(problem) for problem in refused.problems)) from None
    rows = np.concatenate([np.stack(piece, axis=1) for piece in read.pieces])
    found = staging.carried_out(
        member_tables.plan_for(related), schema, counter=NumpyCounter(rows, schema.stored), charge=ledger,
        modelled=lambda _: staging.Onlooker(), rho=rho, spent=Decimal(0),
    )  # fmt: skip
    return Release.of("benchmark", schema.domain, found, PrivacyUnit(), rho, Decimal(0))


def _write(declared: Declaration, related: Related, release: Release, top: Any, out: Path, seed: int) -> None:
    """Every table as a package has it; columns that a site is not told of are empty."""
    from synthesis import relating  # here, because its models need a site

    made = relating.made(release, related, top, MemberSettings(), seed=seed, total=len(top), beat=lambda: None)
    out.mkdir(parents=True, exist_ok=True)
    for table, own in zip(related.tables, declared.tables.values(), strict=True):
        frame = pd.concat(list(relating.spelled(made, table, seed=seed)))
        frame.reindex(columns=list(own.columns), fill_value="").to_csv(out / table.file, index=False)
