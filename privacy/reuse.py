"""Using a finished release again: what was let out once costs nothing to read again, so nothing is charged."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction

from audit import events
from audit.actors import SYSTEM, actor
from privacy import selectors
from privacy.errors import NotReady
from privacy.models import Dataset, ReleaseRecord


@transaction.atomic
def reuse_release(*, dataset: Dataset, release_id: UUID | str, key: str, by: Any = SYSTEM) -> ReleaseRecord:
    """Let the request called ``key`` use a finished release of the dataset's newest version.

    No line is written to the ledger; the log says who used which release. NotReady for any other release.
    """
    found = selectors.reusable(dataset).filter(pk=release_id).first()
    if found is None:
        raise NotReady("only a finished release of the newest version of the same dataset can be used again")
    facts = {
        "release": str(found.pk),
        "population": str(dataset.population_id),
        "request": key,
        "version": str(found.version_id),
    }
    events.record(action="privacy:release:reused", by=actor(by), subject=f"release:{found.pk}", facts=facts)
    return found
