"""What other rooms may read of a release's tables: one plain line each, for the manifest of what may leave."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

from privacy import layouts, selectors
from privacy.cliques import TiedClique, any_clique
from privacy.models import MeasurementRecord, ReleaseRecord


def released_statistics(release_id: UUID | str) -> list[dict[str, Any]]:
    """One plain-JSON line per released table, for the manifest of what may leave; none that is held back."""
    record = ReleaseRecord.objects.get(pk=release_id)
    return [_statistic(table) for table in record.measurements.filter(held=False).select_related("entry")]


def _statistic(table: MeasurementRecord) -> dict[str, Any]:
    facts, clique = table.entry.facts, any_clique(table.clique)
    return {
        "measurement": str(table.entry_id),
        "columns": layouts.in_words(clique) if isinstance(clique, TiedClique) else list(clique.columns),
        **({"slots": len(clique.slots)} if isinstance(clique, TiedClique) else {}),
        "cells": len(table.counts),
        "mechanism": facts["mechanism"],
        "sensitivity": facts["sensitivity"],
        "scale": facts["scale"],
        "rho": f"{table.entry.rho:f}",
        "parts": selectors.parts_of(table),
        "error_19_in_20": off_by(table.sigma / selectors.parts_of(table)),
    }


def off_by(sigma: float) -> int:
    """How far a noised count is off at most, 19 times in 20."""
    return math.ceil(1.959964 * sigma)
