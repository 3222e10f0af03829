"""Two related tables for tests, households and their persons: a declaration, and made files that fit it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

from privacy import services
from privacy.models import Dataset, DatasetVersion

REQUIRED = {"required": True}
TABLES: list[dict[str, Any]] = [
    {
        "name": "households", "file": "households.csv", "key": "household_id",
        "columns": ["household_id", "region", "dwelling"],
        "fields": [
            {"name": "region", "type": "string", "categories": ["north", "south", "west"], "constraints": REQUIRED},
            {"name": "dwelling", "type": "string", "categories": ["house", "flat"]},
        ],
    },
    {
        "name": "persons", "file": "persons.csv", "parent": "households", "parentKey": "household_id",
        "number": "person_number", "most": 4,
        "columns": ["household_id", "person_number", "age", "work"],
        "fields": [
            {"name": "age", "type": "integer", "constraints": {"minimum": 0, "maximum": 99, "required": True},
             "bins": {"cutPoints": [18, 40, 65]}},
            {"name": "work", "type": "string", "categories": ["yes", "no"]},
        ],
        "rules": [{"rule": "age < 18 implies work is null", "reason": "children are not asked"}],
        "together": [["age", "work"]],
    },
]  # fmt: skip


def declared(**changes: Any) -> dict[str, Any]:
    """A declaration of both tables; pass None to leave a key out."""
    values = {
        "title": "Households of a small town", "population": "households of the tests",
        "privacyUnit": {"kind": "row", "means": "one household"}, "cap": {"rho": "5", "delta": "1e-6"},
        "maximumRows": 5000, "purposes": ["testing"], "publicLabels": True, "tables": TABLES,
    } | changes  # fmt: skip
    return {key: value for key, value in values.items() if value is not None}


def declaration(**changes: Any) -> str:
    return json.dumps(declared(**changes))


def files(households: int = 600, seed: int = 0) -> dict[str, bytes]:
    """Both files: couples of like age, with children; large households beyond what is counted too."""
    rng = np.random.default_rng(seed)
    tops, rows = ["household_id,region,dwelling"], ["household_id,person_number,age,work"]
    for number in range(households):
        region = rng.choice(["north", "south", "west"], p=[0.5, 0.3, 0.2])
        size = int(rng.choice([1, 2, 3, 4, 5], p=[0.3, 0.3, 0.2, 0.15, 0.05]))
        tops.append(f"h{number},{region},{'house' if size > 2 else 'flat'}")
        older = int(rng.integers(18, 90))
        for place in range(size):
            age = max(min(older + int(rng.integers(-3, 3)), 99), 18) if place < 2 else int(rng.integers(0, 18))
            work = "" if age < 18 else "yes" if age < 65 else "no"
            rows.append(f"h{number},{place + 1},{age},{work}")
    return {"households.csv": _csv(tops), "persons.csv": _csv(rows)}


def _csv(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def zipped(contents: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return out.getvalue()


def upload(dataset: Dataset, contents: dict[str, bytes]) -> DatasetVersion:
    stream = io.BytesIO(zipped(contents))
    return services.receive_upload(by=dataset.owner, dataset=dataset, stream=stream, filename="households.zip")


def dataset(owner: Any, contents: dict[str, bytes] | None = None, **changes: Any) -> Dataset:
    """Registered, with accepted files."""
    found = services.register_dataset(by=owner, declaration=declaration(**changes))
    upload(found, contents or files())
    return found
