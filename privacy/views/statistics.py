"""Where a number in a prompt came from: one charge of the ledger, and the noised table it paid for."""

from __future__ import annotations

from itertools import islice, product
from math import prod
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from audit import approvals
from privacy import discoveries, manifesting, policies, selectors
from privacy.models import Dataset, LedgerEntry, MeasurementRecord
from privacy.schema import Schema
from privacy.values import Axis, Clique, PrivacyUnit, TiedClique, any_clique

SHOWN_CELLS = 400


@require_safe
def statistic_detail(http: HttpRequest, entry: int) -> HttpResponse:
    charges = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.COMMIT).select_related("population", "dataset")
    found = get_object_or_404(charges, pk=entry)
    if not policies.may_view_ledger(http.user, found.population):
        raise Http404("There is no such charge, or you may not see it.")
    table = getattr(found, "measurement", None)
    return render(http, "privacy/statistic.html", {
        "entry": found,
        "unit": PrivacyUnit(**found.facts["unit"]).in_words(),
        "epsilon": selectors.budget(found.population_id).epsilon(found.rho),
        "table": shown(found.dataset, table, http.GET.get("cell", "")) if found.dataset and table else None,
        "approved": approvals.of_request(found.request),
        "search": discoveries.keys_of(found) if found.facts["kind"] == "discovery" else None,
    })  # fmt: skip


def shown(dataset: Dataset, table: MeasurementRecord, cell: str = "") -> dict[str, Any]:
    """One noised table in words: a row per cell, and how far off each count may be, 19 times in 20.

    Of a tied table: the block, the first slot's columns for all of them, and counts in votes, rounded to hundredths.
    ``cell`` is the one somebody came for, its places along the axes as in "1,0"; Http404 where the table has none such.
    """
    clique, parts = any_clique(table.clique), selectors.parts_of(table)
    schema = selectors.schema(dataset, release=table.release_id)
    columns, names = _tied_axes(schema, clique) if isinstance(clique, TiedClique) else _axes(schema, clique)
    counts = table.counts if parts == 1 else [round(count / parts, 2) for count in table.counts]
    marked = place_of(cell, [len(each) for each in names]) if cell else None
    first = 0 if marked is None or marked < SHOWN_CELLS else marked - SHOWN_CELLS // 2
    rows = islice(zip(product(*names), counts, strict=True), first, first + SHOWN_CELLS)
    return {
        "columns": columns,
        "rows": [(labels, count, first + at == marked) for at, (labels, count) in enumerate(rows)],
        "cells": len(table.counts),
        "first": first + 1,
        "last": min(first + SHOWN_CELLS, len(table.counts)),
        "cell": cell,
        "off_by": manifesting.off_by(table.sigma / parts),
        "tied": isinstance(clique, TiedClique),
    }


def place_of(cell: str, shape: list[int]) -> int:
    """Where "1,0" lies among the cells of a table of this shape, the last axis fastest; Http404 where it does not."""
    places = [int(one) if one.isascii() and one.isdigit() and len(one) < 10 else -1 for one in cell.split(",")]
    if len(places) != len(shape) or not all(0 <= place < size for place, size in zip(places, shape, strict=True)):
        raise Http404("This table has no such cell.")
    return sum(place * prod(shape[axis + 1 :]) for axis, place in enumerate(places))


def _axes(schema: Schema, clique: Clique) -> tuple[tuple[str, ...], list[list[str]]]:
    """The names of a table's axes, and what each position along them stands for."""
    return clique.columns, [bin_labels(schema, axis) for axis in clique.axes]


def _tied_axes(schema: Schema, clique: TiedClique) -> tuple[tuple[str, ...], list[list[str]]]:
    columns, names = _axes(schema, clique.slots[0])
    return ("block", *columns), [[str(block) for block in range(max(clique.blocks) + 1)], *names]


def bin_labels(schema: Schema, axis: Axis) -> list[str]:
    """What each position along an axis stands for; bins gather several declared values."""
    labels = [label or "missing" for label in schema.labels(axis.column)]
    if not axis.bins:
        return labels
    groups: dict[int, list[str]] = {}
    for label, place in zip(labels, axis.bins, strict=True):
        groups.setdefault(place, []).append(label)
    return [" … ".join(dict.fromkeys((group[0], group[-1]))) for _, group in sorted(groups.items())]
