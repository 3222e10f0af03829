"""From a fit of units to related tables: members are made for every unit, and keys for every row.

The same release, settings and seed give the same tables, so that a run and its replay do exactly the same. Keys are
1, 2, 3 and so on; every member is written beside the unit it was made for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from privacy import selectors
from privacy.related import Related, Table
from privacy.values import IntArray, Release
from synthesis import member_checks
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


def made(
    release: Release, related: Related, top: IntArray, settings: MemberSettings, *, seed: int, total: int,
    beat: Callable[[], None],
) -> People:  # fmt: skip
    """Members for these units, of which ``total`` were released. RuleBroken where one breaks a rule. Pure."""
    names = {column.name: related.attribute(column.name) for column in related.members.schema.columns}
    together = [[names[each] for each in block] for block in related.together]
    model = MemberModel(
        People(related.layout, top), release.tied, rules=of_each(related.members.schema.rules, related.layout, names),
        blocks=together, settings=settings, seed=seed, scale=total / len(top),
    )  # fmt: skip
    people = model.fit(beat)
    if model.violations():
        raise RuleBroken
    return people


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
        people = made(
            self.release, self.related, top, self.settings, seed=self.request.seed + MEMBERS, total=total,
            beat=self.beat,
        )  # fmt: skip
        if check.violations:
            raise RuleBroken
        with ExitStack() as files:
            for table in self.related.tables:
                out = files.enter_context(TableFiles(folder, files_of(table)))
                for part in spelled(table, self.related, people, seed=self.request.seed + SPELLING):
                    out.add(part)
                    self.beat()
        return self.report(check, people, scale=total / len(top))

    def report(self, check: Check, people: People, *, scale: float) -> Facts:
        labels = selectors.columns(self.request.dataset, release=self.request.release_key).labels
        found, declared = check.report(labels), self.related.members
        members = member_checks.checks(people, self.release.tied, scale=scale)
        rows = {self.related.units.name: len(people.top), declared.name: people.members}
        return found | {
            "texts": [],
            "rules": found["rules"] + member_checks.rules(declared.schema.rules, declared.name, 0),
            "related": {
                "rows": rows, "tables": members, "within_noise": member_checks.within_noise(members),
                "within_band": member_checks.within_band(members),
            },
        }  # fmt: skip


def spelled(table: Table, related: Related, people: People, *, seed: int) -> Iterator[pd.DataFrame]:
    """One table as its input is spelled, part by part, with keys of its own."""
    rng, of_members = np.random.default_rng([seed, table is related.members]), table is related.members
    codes = people.table() if of_members else people.top[:, :-1]
    for part in parts(len(codes)):
        rows = np.arange(part.start, min(part.stop, len(codes)))
        frame = table.schema.decode(codes[part], rng)
        frame.index = rows
        for column, values in keys(table, people, rows, of_members=of_members).items():
            frame[column] = values
        yield frame[list(table.columns)]


def keys(table: Table, people: People, rows: IntArray, *, of_members: bool) -> dict[str, IntArray]:
    """Keys and the order of members, counted from 1."""
    found = {table.key: rows + 1} if table.key else {}
    if of_members:
        found[table.parent_key] = people.owners[rows] + 1
        if table.number:
            found[table.number] = people.position[rows] + 1
    return found


def facts(request: SynthesisRequest, report: Facts) -> Facts:
    """What a package says of its tables, where there are several: declared names, and how many rows were made."""
    related = related_of(request)
    if related is None:
        return {}
    rows = report["related"]["rows"]
    return {"tables": [_fact(table, related, rows[table.name]) for table in related.tables]}


def _fact(table: Table, related: Related, rows: int) -> Facts:
    parent = {"parent": related.units.name, "parent_key": table.parent_key, "refers_to": related.units.key}
    number = {"number": table.number} if table.number else {}
    told = {"name": table.name, "rows": rows, "key": table.key, "files": list(files_of(table)), **number}
    return told | (parent if table is related.members else {})
