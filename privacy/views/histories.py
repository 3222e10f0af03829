"""What happened to a dataset, as its log tells it: to those who see everything of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit import entries
from audit.leaves import Leaf, time_of
from audit.views.common import number_in
from privacy import policies
from privacy.models import Dataset
from privacy.views.datasets import visible_dataset

EVERYTHING = "Only its owner, the stewards and the auditors read what happened to a dataset."
IN_WORDS = {
    "privacy:dataset:registered": "Registered",
    "privacy:source:asked": "The measuring worker was asked to look at the table in its engine",
    "privacy:upload:accepted": "Data accepted as a version",
    "privacy:upload:refused": "Data refused: they do not fit the declaration",
    "privacy:audience:set": "Who may ask for it was changed",
    "privacy:waiver:signed": "The owner signed that one steward decides",
    "privacy:waiver:ended": "The owner ended it that one steward decides",
    "privacy:version:retention_set": "It was set when a version is destroyed",
    "privacy:version:destroyed": "A version was destroyed",
}
"""action -> what a reader is told; one that is not here is named as the log names it."""


@require_safe
def history_page(http: HttpRequest, pk: UUID) -> HttpResponse:
    """Newest first, one step of the log at a time."""
    dataset = visible_dataset(http, pk)
    policies.require(policies.sees_everything_of(http.user, dataset), EVERYTHING)
    page, told = history_of(dataset, before=number_in(http, "before"), after=number_in(http, "after"))
    return render(http, "privacy/history.html", {"dataset": dataset, "page": page, "told": told})


def history_of(dataset: Dataset, *, before: int | None, after: int | None) -> tuple[entries.Slice, list[Told]]:
    """One step of the log about a dataset, and its lines in words."""
    page = entries.step(entries.Filters(subject=f"dataset:{dataset.pk}"), before=before, after=after)
    numbers = {str(key): number for key, number in dataset.versions.values_list("pk", "number")}
    told = [Told(leaf, IN_WORDS.get(leaf.action, leaf.action), more_of(leaf, numbers)) for leaf in page.leaves]
    return page, told


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the page."""

    leaf: Leaf
    words: str
    more: str

    @property
    def at(self) -> datetime:
        return time_of(self.leaf.time)


def more_of(leaf: Leaf, numbers: Mapping[str, int]) -> str:
    """Which version, whom, until when and why, where the entry says so; ``numbers`` are those of the versions."""
    facts, said = leaf.facts, []
    if number := numbers.get(str(facts.get("version", ""))):
        said.append(f"version {number}")
    if leaf.action == "privacy:audience:set":
        said.append("researchers of " + ", ".join(facts["names"]) if facts["names"] else "every researcher")
    said += [str(facts[name]) for name in ("day", "reason") if name in facts]
    return "; ".join(said)
