"""From a fit of units to related tables: members are made for every unit, and keys for every row.

The same release, settings and seed give the same tables, so that a run and its replay do exactly the same. Keys are
1, 2, 3 and so on; every member is written beside the unit it was made for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from privacy import selectors
from privacy.joined import Table
from privacy.related import Related
from privacy.values import IntArray, Release
from synthesis import leafing, member_checks
from synthesis.checks import Check, RuleBroken
from synthesis.loop import Loop
from synthesis.members import MemberModel, MemberSettings, People, of_each
from synthesis.models import SynthesisRequest
from synthesis.packaging import TableFiles, parts

MEMBERS, SPELLING = 1, 2
"""Streams of randomness beside the loop's own."""
Facts = dict[str, Any]


def related_of(request: SynthesisRequest) -> Related | None:
    return selectors.schema(request.dataset).related


def files_of(table: Table) -> tuple[str, str]:
    """The files of one table in a package: the declared name, and the same as Parquet."""
    return table.file, str(Path(table.file).with_suffix(".parquet"))


def all_files(related: Related) -> tuple[str, ...]:
    return tuple(name for table in related.tables for name in files_of(table))


def settings(request: SynthesisRequest) -> Facts:
    """What a run's settings hold for members; nothing for a single table."""
    return {} if related_of(request) is None else {"members": asdict(MemberSettings())}


def rules_in_words(request: SynthesisRequest) -> list[Facts]:
    """The rules of the members' table, as those of the units' are told."""
    return selectors.member_rules_in_words(request.dataset)


@dataclass(frozen=True)
class Made:
    """All tables of one request in codes: units with their members, and below them leaves where there are any."""

    related: Related
    people: People
    leaves: People | None = None

    def codes(self, table: Table) -> IntArray:
        """Rows x measured columns of one table."""
        if table is self.related.units:
            return self.people.top[:, :-1]
        return self.below(table).table()[:, : len(table.schema.columns)]

    def below(self, table: Table) -> People:
        """Members, or leaves."""
        if table is self.related.members:
            return self.people
        assert self.leaves is not None
        return self.leaves

    @property
    def rows(self) -> dict[str, int]:
        below = [self.people, *([self.leaves] if self.leaves else [])]
        counts = (len(self.people.top), *(people.members for people in below))
        return {table.name: count for table, count in zip(self.related.tables, counts, strict=True)}


def made(
    release: Release, related: Related, top: IntArray, settings: MemberSettings, *, seed: int, total: int,
    beat: Callable[[], None],
) -> Made:  # fmt: skip
    """Members for these units, of which ``total`` were released, and their leaves. RuleBroken where one breaks a rule.

    Pure.
    """
    together, scale = [[related.own[each] for each in block] for block in related.together], total / len(top)
    model = MemberModel(
        People(related.layout, top), related.of_layout(related.layout, release.tied),
        rules=of_each(related.rules[0][1], related.layout), blocks=together, settings=settings, seed=seed, scale=scale,
    )  # fmt: skip
    people = model.fit(beat)
    if model.violations():
        raise RuleBroken
    if (leaves := related.leaves) is None:
        return Made(related, people)
    released = related.of_layout(leaves.layout, release.tied)
    below = leafing.made(related, leaves, people, released, settings, seed=seed, scale=scale, beat=beat)
    return Made(related, people, below)


class RelatedWriter:
    """One request's related tables; ``beat`` is called as the work goes on."""

    def __init__(
        self, request: SynthesisRequest, loop: Loop, related: Related, settings: Mapping[str, Any], *,
        beat: Callable[[], None],
    ) -> None:  # fmt: skip
        self.request, self.loop, self.related, self.beat = request, loop, related, beat
        self.settings = MemberSettings.from_json(settings["members"])
        self.release = selectors.released(request.release_key)

    def write(self, folder: Path) -> Facts:
        """Write every table and return the report; RuleBroken where a record breaks a rule."""
        check = Check(self.release, selectors.rules(self.request.dataset))
        top, total = self.loop.records(self.request.rows), self.loop.total
        check.add(top)
        found = made(
            self.release, self.related, top, self.settings, seed=self.request.seed + MEMBERS, total=total,
            beat=self.beat,
        )  # fmt: skip
        if check.violations:
            raise RuleBroken
        with ExitStack() as files:
            for table in self.related.tables:
                out = files.enter_context(TableFiles(folder, files_of(table)))
                for part in spelled(found, table, seed=self.request.seed + SPELLING):
                    out.add(part)
                    self.beat()
        return self.report(check, found, scale=total / len(top))

    def report(self, check: Check, made: Made, *, scale: float) -> Facts:
        labels = selectors.columns(self.request.dataset, release=self.request.release_key).labels
        found, tables = check.report(labels), list[Facts]()
        for people in filter(None, (made.people, made.leaves)):
            released = self.related.of_layout(people.layout, self.release.tied)
            tables += member_checks.checks(people, released, scale=scale)
        below = [member_checks.rules(declared, table.name, 0) for table, declared in self.related.rules]
        return found | {
            "texts": [],
            "rules": [*found["rules"], *chain.from_iterable(below)],
            "related": {
                "rows": made.rows, "tables": member_checks.worst_first(tables),
                "within_noise": member_checks.within_noise(tables), "within_band": member_checks.within_band(tables),
            },
        }  # fmt: skip


def spelled(made: Made, table: Table, *, seed: int) -> Iterator[pd.DataFrame]:
    """One table as its input is spelled, part by part, with keys of its own."""
    place, codes = made.related.tables.index(table), made.codes(table)
    rng, walk = np.random.default_rng([seed, place]), _walk(made, table, seed)
    cut = list(leafing.parts_of(walk.people)) if walk else parts(len(codes))
    for part in cut or [slice(0, 0)]:  # without rows, a file still says its columns
        rows = np.arange(part.start, min(part.stop, len(codes)))
        frame = table.schema.decode(codes[part], rng)
        frame.index = rows
        for column, values in keys(made, table, rows).items():
            frame[column] = values
        yield (walk.walked(frame, rows) if walk else frame)[list(table.columns)]


def _walk(made: Made, table: Table, seed: int) -> leafing.Walk | None:
    """What follows from row to row of the third table, if this is it."""
    leaves = made.related.leaves
    if leaves is None or table is not leaves.table or made.leaves is None:
        return None
    if leaves.journey is None:
        return leafing.Walk(leaves, made.leaves, None)
    homes = [part[leaves.journey.start].to_numpy() for part in spelled(made, made.related.units, seed=seed)]
    return leafing.Walk(leaves, made.leaves, np.concatenate(homes))


def keys(made: Made, table: Table, rows: IntArray) -> dict[str, IntArray]:
    """Keys and the order of members, counted from 1."""
    found = {table.key: rows + 1} if table.key else {}
    if table.parent_key:
        people = made.below(table)
        found[table.parent_key] = people.groups[rows] + 1
        if table.number:
            found[table.number] = people.rank[rows] + 1
    return found


def facts(request: SynthesisRequest, report: Facts) -> Facts:
    """What a package says of its tables, where there are several: declared names, and how many rows were made."""
    related = related_of(request)
    if related is None:
        return {}
    rows = report["related"]["rows"]
    return {"tables": [_fact(table, related, rows[table.name]) for table in related.tables]}


def _fact(table: Table, related: Related, rows: int) -> Facts:
    above, number = related.parent(table), {"number": table.number} if table.number else {}
    told = {"name": table.name, "rows": rows, "key": table.key, "files": list(files_of(table)), **number}
    if above is None:
        return told
    return told | {"parent": above.name, "parent_key": table.parent_key, "refers_to": above.key}
