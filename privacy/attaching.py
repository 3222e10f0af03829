"""The measuring worker's look at a table that stays in its engine: what is wrong with it, or a version of the dataset.

As for a file, every cell is held against the declaration once, and the owner alone is told by column and rule how many
cells break it. Afterwards the table may change: a row that then breaks the declaration is counted nowhere.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit import events
from audit.actors import SYSTEM
from privacy import connecting, engine_coding, places, selectors, services
from privacy.errors import EngineTrouble, PrivacyError
from privacy.models import Dataset, DatasetVersion, SourceCheck
from privacy.problems import Problem, UploadRefused
from privacy.schema import Schema

State = SourceCheck.State


def attach(dataset_id: str) -> None:
    """Look at the dataset's table, if somebody asked for it; how it went stands in the row."""
    waiting = SourceCheck.objects.filter(dataset_id=dataset_id, state=State.WAITING)
    check = waiting.select_related("dataset__owner").first()
    if check is None:
        return
    dataset, version = check.dataset, uuid.uuid4()
    try:
        found = _looked_at(dataset, version)
        _accept(dataset, version, found)
    except UploadRefused as refusal:
        _refuse(dataset, [problem.to_json() for problem in refusal.problems])
    except (PrivacyError, OSError) as problem:
        told = str(problem) if isinstance(problem, EngineTrouble) else "the site's vault has no key yet"
        _refuse(dataset, [Problem("", told).to_json()])
    finally:
        if not DatasetVersion.objects.filter(pk=version).exists():
            places.discard(version)


def _looked_at(dataset: Dataset, version: uuid.UUID) -> dict[str, Any]:
    """What is recorded of the table; UploadRefused with all that is wrong with it."""
    schema = selectors.schema(dataset)
    source = schema.source
    assert source is not None
    connecting.new_bounding_key(version)
    with connecting.opened(source, dataset.owner.username) as held:
        mark = held.place.fingerprint
        services.keep_to_one_population(dataset, mark, "table")  # before a query of any row
        problems = engine_coding.misfits(held.table, schema, source)
        if not problems:
            counts = connecting.answer(engine_coding.faults(held.table, schema)).to_pylist()[0]
            problems = _problems(schema, counts)
        if problems:
            raise UploadRefused(problems)
        key = connecting.bounding_key(DatasetVersion(pk=version))
        kept = engine_coding.coded(held.table, schema, source, key=key, kind=held.kind).count().as_table()
        rows_kept = next(iter(connecting.answer(kept).to_pylist()[0].values()))
        identity = {"engine": source.engine, "kind": held.kind, "table": source.table, "structure": held.structure}
    return {"rows_read": counts["rows"], "rows_kept": rows_kept, "source": identity, "fingerprint": mark}


def _problems(schema: Schema, counts: dict[str, int]) -> list[Problem]:
    found = []
    if not counts["rows"]:
        found.append(Problem("", "the table has no rows"))
    if schema.maximum_rows is not None and counts["rows"] > schema.maximum_rows:
        found.append(Problem("", f"the table has more than {schema.maximum_rows} rows, the declared maximum"))
    for place, column in enumerate(schema.columns):
        rules = {"missing": "a cell is missing", "outside": column.coding.rule}
        for what, rule in rules.items():
            if times := int(counts[f"{what}_{place}"]):
                found.append(Problem(column.name, f"{rule}, in {times} row{'' if times == 1 else 's'}"))
    return found


def _accept(dataset: Dataset, version: uuid.UUID, found: dict[str, Any]) -> None:
    source = selectors.schema(dataset).source
    assert source is not None
    with transaction.atomic():
        if not _finish(dataset, State.ACCEPTED, []):
            return
        services.keep_to_one_population(dataset, found["fingerprint"], "table")
        DatasetVersion.objects.create(
            id=version, dataset=dataset, number=services.next_number(dataset), file_name=source.in_words()[:200],
            size_bytes=0, uploaded_by=dataset.owner, **found,
        )  # fmt: skip
        facts = {"dataset": str(dataset.pk), "version": str(version), "source": found["source"]}
        events.record(action="privacy:upload:accepted", by=SYSTEM, subject=f"dataset:{dataset.pk}", facts=facts)


def _refuse(dataset: Dataset, problems: list[dict[str, Any]]) -> None:
    """The log learns that the table was refused, and nothing of why."""
    with transaction.atomic():
        if not _finish(dataset, State.REFUSED, problems):
            return
        facts = {"dataset": str(dataset.pk)}
        events.record(action="privacy:upload:refused", by=SYSTEM, subject=f"dataset:{dataset.pk}", facts=facts)


def _finish(dataset: Dataset, state: str, problems: list[dict[str, Any]]) -> bool:
    """Whether the answer is ours to give: where another worker was faster, its answer stands."""
    held = SourceCheck.objects.select_for_update().get(dataset=dataset)
    if held.state != State.WAITING:
        return False
    held.state, held.problems, held.finished_at = state, problems, timezone.now()
    held.save(update_fields=["state", "problems", "finished_at"])
    return True
