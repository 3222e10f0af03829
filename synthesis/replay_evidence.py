"""What a replay starts from, each compared with what the log or a vote binds: inputs, released tables, the package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit import entries, recorded
from audit.segments import DPValue, Prompt
from privacy import selectors as privacy
from privacy.values import IntArray, NoisyTable
from synthesis.comparing import Difference
from synthesis.hashing import hash_of
from synthesis.models import Package, Run, SynthesisRequest


@dataclass(frozen=True, slots=True)
class ReleasedTables:
    """The tables of one release as the log has them, the charges behind them, and when they were let out."""

    release: str
    index: int
    tables: dict[str, IntArray]
    paid: frozenset[str]

    @classmethod
    def of(cls, release: str) -> ReleasedTables:
        """Raises AuditError where the log does not hold them, or not as they were."""
        leaf, tables = recorded.released(release)
        charged = recorded.charges(str(leaf.facts["population"]))
        paid = {str(name) for name in leaf.facts["measurements"] if charged.get(str(name), leaf.index) < leaf.index}
        arrays = {name: np.array(table["counts"], np.int64).reshape(table["shape"]) for name, table in tables.items()}
        return cls(release, leaf.index, arrays, frozenset(paid))

    def problem(self, value: DPValue, *, before: int) -> tuple[str, str] | None:
        """What should stand in the place of this value, and what the matter is; None where it is the released one."""
        if value.release != self.release or self.index >= before:
            return f"a value of release {self.release}", "a value that was not released before"
        if value.measurement not in self.paid or value.measurement not in self.tables:
            return "a value that a charge paid for", "no charge of the release paid for it"
        table = self.tables[value.measurement]
        inside = len(value.cell) == table.ndim and all(
            0 <= at < n for at, n in zip(value.cell, table.shape, strict=True)
        )
        if not inside:
            return "a cell of the released table", f"cell {value.cell} lies outside of it"
        released = int(table[value.cell])
        return None if released == value.value else (str(released), "differs from the released statistic")


def values_of(prompt: Prompt) -> Iterator[tuple[int, int, DPValue]]:
    """Every released value of a prompt with its message and segment, counted from 1."""
    for number, message in enumerate(prompt.messages, start=1):
        for place, segment in enumerate(message.segments, start=1):
            if isinstance(segment, DPValue):
                yield number, place, segment


def inputs(run: Run, tables: ReleasedTables) -> Iterator[Difference]:
    """Inputs in the site's database that are not those which were logged or voted on."""
    request = run.request
    for what, bound, held in [*_frozen(request), *_packaged(run)]:
        if bound != held:
            yield Difference(str(run.pk), "", None, None, what, str(bound), str(held))
    released = privacy.released(request.release_key)
    stored: tuple[NoisyTable, ...] = (*released.marginals, *released.tied)
    for table in stored:
        logged = tables.tables.get(table.measurement)
        if logged is None or not np.array_equal(logged, table.counts):
            what = f"the stored table of charge {table.measurement}"
            yield Difference(str(run.pk), "", None, None, what, "the one in the log", "another one")


def _frozen(request: SynthesisRequest) -> list[tuple[str, Any, Any]]:
    """(what, as it was logged or voted on, as it is held now)."""
    shown = request.snapshot
    story = entries.about(f"request:{request.pk}")
    submitted = [leaf.facts["content_hash"] for leaf in story if leaf.action == "synthesis:request:submitted"]
    approved = [leaf.facts.get("content_hash") for leaf in story if leaf.action == "synthesis:request:synthesising"]
    return [
        ("the egress manifest", approved[-1] if approved else None, hash_of(request.manifest.body)),
        ("the request as submitted", submitted[-1] if submitted else None, hash_of(shown)),
        ("the seed", shown["seed"], str(request.seed)),
        ("the what-if sentence", shown.get("what_if", ""), request.what_if),
        ("the declaration", shown["declaration"], privacy.declaration_hash(request.dataset)),
    ]


def _packaged(run: Run) -> list[tuple[str, Any, Any]]:
    package = Package.objects.filter(run=run).first()
    if package is None:
        return []
    story = [leaf for leaf in entries.about(f"run:{run.pk}") if leaf.action == "synthesis:package:built"]
    logged, held = story[-1].facts if story else {}, package.manifest
    return [
        ("the package's manifest", logged.get("sha256"), package.content_hash),
        ("the package's files", logged.get("files"), {file["name"]: file["sha256"] for file in held["files"]}),
        ("the loop's settings", held["settings"], hash_of(run.settings)),
    ]
