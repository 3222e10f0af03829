"""Who may see and ask for a dataset in the catalogue: every researcher, or those of organisations its owner names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from audit import events
from audit.actors import actor
from privacy import policies
from privacy.models import Dataset

OWNER = "Only the dataset's owner says who may ask for it."


def known() -> QuerySet[Any]:
    """Every organisation there is: a model of the site's own room, which this one knows by its field alone."""
    return Dataset._meta.get_field("limited_to").related_model._default_manager.all()


@transaction.atomic
def limit(*, by: Any, dataset: Dataset, organisations: Iterable[Any]) -> Dataset:
    """Limit a dataset to researchers of these organisations; with none, every researcher may ask for it.

    It counts from the next page or step on, also for requests that were made before.
    """
    dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
    policies.require(policies.may_upload(by, dataset), OWNER)
    wished = sorted(organisations, key=lambda one: one.pk)
    if {one.pk for one in wished} == set(dataset.limited_to.values_list("pk", flat=True)):
        return dataset
    dataset.limited_to.set(wished)
    facts = {
        "dataset": str(dataset.pk),
        "organisations": [one.pk for one in wished],
        "names": [str(one) for one in wished],
    }
    events.record(action="privacy:audience:set", by=actor(by), subject=f"dataset:{dataset.pk}", facts=facts)
    return dataset
