"""Three related tables for tests, households, persons and the trips of a day: a declaration, and files that fit."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from privacy import services
from privacy.models import Dataset, DatasetVersion
from tests import related_site
from tests.related_site import REQUIRED

ZONES: dict[str, Any] = {
    "type": "integer", "constraints": {"minimum": 1, "maximum": 40, "required": True}, "bins": {"equalWidth": 10},
}  # fmt: skip
TABLES: list[dict[str, Any]] = [
    {
        "name": "households", "file": "households.csv", "key": "household_id",
        "fields": [
            {"name": "home_zone", **ZONES},
            {"name": "cars", "type": "integer", "constraints": {"minimum": 0, "maximum": 2, "required": True}},
        ],
    },
    {
        "name": "persons", "file": "persons.csv", "key": "person_id", "parent": "households",
        "parentKey": "household_id", "number": "person_number", "most": 4,
        "fields": [{"name": "kind", "type": "string", "categories": ["child", "worker", "other"],
                    "constraints": REQUIRED}],
    },
    {
        "name": "trips", "file": "trips.csv", "key": "trip_id", "parent": "persons", "parentKey": "person_id",
        "orderedBy": "hour", "least": 2, "most": 6, "orNone": True, "mostOfUnit": 16, "seenWith": ["kind"],
        "fields": [
            {"name": "purpose", "type": "string", "categories": ["home", "work", "school", "shop"],
             "constraints": REQUIRED},
            {"name": "hour", "type": "integer", "constraints": {"minimum": 0, "maximum": 23, "required": True},
             "bins": {"equalWidth": 3}},
            {"name": "zone", **ZONES},
            {"name": "mode", "type": "string", "categories": ["foot", "bus", "car"]},
        ],
        "columns": ["trip_id", "person_id", "purpose", "hour", "origin", "zone", "mode"],
        "journey": {"from": "origin", "to": "zone", "start": "home_zone", "back": 'purpose == "home"'},
        "sequenceRules": [
            {"rule": '`its place` in ["last", "only"] implies purpose == "home"', "reason": "days end at home"},
            {"rule": '`purpose before` == "home" or `purpose before` is null implies purpose != "home"',
             "reason": "nobody goes home from home"},
            {"rule": '`kind of persons` == "child" implies purpose != "work"', "reason": "children do not work"},
        ],
    },
]  # fmt: skip


def declared(**changes: Any) -> dict[str, Any]:
    """A declaration of all three tables; pass None to leave a key out."""
    own = {"title": "Days of a small town", "population": "travellers of the tests", "tables": TABLES}
    return related_site.declared(**(own | changes))


def declaration(**changes: Any) -> str:
    return json.dumps(declared(**changes))


def files(households: int = 400, seed: int = 0) -> dict[str, bytes]:
    """All files: workers drive to work, children walk to school nearby, some stay at home all day."""
    rng = np.random.default_rng(seed)
    tops, people = ["household_id,home_zone,cars"], ["person_id,household_id,person_number,kind"]
    trips, days = ["trip_id,person_id,purpose,hour,origin,zone,mode"], 0
    for number in range(households):
        home, cars = int(rng.integers(1, 41)), int(rng.integers(0, 3))
        tops.append(f"h{number},{home},{cars}")
        for place in range(int(rng.choice([1, 2, 3, 4], p=[0.3, 0.3, 0.2, 0.2]))):
            kind = str(rng.choice(["worker", "other"])) if place < 2 else "child"
            people.append(f"p{days},h{number},{place + 1},{kind}")
            for step, trip in enumerate(_day(rng, kind, home, cars)):
                trips.append(f"t{days}-{step},p{days},{trip}")
            days += 1
    return {name: ("\n".join(lines) + "\n").encode() for name, lines in
            (("households.csv", tops), ("persons.csv", people), ("trips.csv", trips))}  # fmt: skip


def _day(rng: np.random.Generator, kind: str, home: int, cars: int) -> list[str]:
    """A person's trips: somewhere, sometimes on from there, and home."""
    if rng.random() < 0.2:
        return []
    first = {"worker": "work", "child": "school", "other": "shop"}[kind]
    mode = "foot" if kind == "child" else "car" if cars else "bus"
    there = (home + int(rng.integers(0, 5)) * (4 if kind == "worker" else 1) - 1) % 40 + 1
    stops = [(first, int(rng.integers(6, 10)), there)]
    if rng.random() < 0.3:
        stops.append(("shop", int(rng.integers(12, 17)), (there + 1) % 40 + 1))
    stops.append(("home", int(rng.integers(17, 22)), home))
    here, found = home, []
    for purpose, hour, zone in stops:
        found.append(f"{purpose},{hour},{here},{zone},{mode}")
        here = zone
    return found


def upload(dataset: Dataset, contents: dict[str, bytes]) -> DatasetVersion:
    stream = io.BytesIO(related_site.zipped(contents))
    return services.receive_upload(by=dataset.owner, dataset=dataset, stream=stream, filename="days.zip")


def dataset(owner: Any, contents: dict[str, bytes] | None = None, **changes: Any) -> Dataset:
    """Registered, with accepted files."""
    found = services.register_dataset(by=owner, declaration=declaration(**changes))
    upload(found, contents or files())
    return found
