"""Promise 9: values of the raw rows are found in no file, table, log entry, prompt or package of the site."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from audit import prompts
from audit.models import LogEntry, PromptRecord
from privacy import services
from privacy.models import MeasurementRecord
from privacy.problems import UploadRefused
from privacy.selectors import columns
from tests import privacy_site, request_site
from tests.request_site import open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
TEXT, PLACE, NUMBER = "canaryfreetext", "canaryunlisted", "98765.4321"
FIELDS = [
    {"name": "sex", "type": "string", "categories": ["f", "m"], "constraints": {"required": True}},
    {"name": "place", "type": "string", "categories": ["north", "south"], "other": "elsewhere"},
    {
        "name": "pay",
        "type": "number",
        "constraints": {"minimum": 0, "maximum": 100},
        "outside": "clamp",
        "bins": {"cutPoints": [10, 50]},
    },
    {"name": "remark", "type": "string", "freeText": True},
]


def table() -> bytes:
    rows = [f"{'fm'[i % 2]},{(PLACE, 'north')[i % 2]},{(NUMBER, '5')[i % 2]},{TEXT} {i}" for i in range(2000)]
    return ("sex,place,pay,remark\n" + "\n".join(rows) + "\n").encode()


def everything_kept(house: request_site.Site) -> dict[str, bytes]:
    """All that the site keeps or shows, by where it is; the vault's file is among it, sealed."""
    found = {str(path): path.read_bytes() for path in Path(settings.SITE_DIR).rglob("*") if path.is_file()}
    for alias in ("default", "log"):
        found[f"database {alias}"] = dump(alias)
    for record in PromptRecord.objects.all():
        found[f"prompt {record.pk}"] = prompts.load_body(record)
    found["leaves"] = b"\n".join(bytes(leaf) for leaf in LogEntry.objects.values_list("leaf", flat=True))
    return found | pages(house)


def dump(alias: str) -> bytes:
    connection = connections[alias]
    connection.ensure_connection()
    raw = connection.connection
    assert isinstance(raw, sqlite3.Connection)
    return "\n".join(raw.iterdump()).encode()


def pages(house: request_site.Site) -> dict[str, bytes]:
    """Every page about the request and its dataset, as each person sees it."""
    request = house.stella.votes.first().request
    about, dataset = request.get_absolute_url(), house.dataset.get_absolute_url()
    parts = ("", "gate/measure/", "gate/egress/", "gate/output/", "run/", "run/progress/", "prompts/", "download/")
    prompt_pages = [f"prompts/{record.intent_id}/" for record in PromptRecord.objects.all()]
    statistic_pages = [f"/statistics/{table.entry_id}/" for table in MeasurementRecord.objects.all()]
    addresses = [
        "/",
        "/datasets/",
        dataset,
        f"{dataset}upload/",
        "/requests/",
        "/log/",
        "/log/?page=2",
        *statistic_pages,
    ]
    addresses += [about + part for part in (*parts, *prompt_pages)]
    found = {}
    for person in (house.owner, house.stella, house.rosa, house.amir):
        client = Client()
        client.force_login(person, backend="llmsynthor_site.backends.RoleBackend")
        for address in addresses:
            found[f"{address} as {person}"] = client.get(address).content
    return found


def test_no_canary_is_found_anywhere() -> None:
    house = request_site.make()
    house.dataset = privacy_site.dataset(house.owner, content=table(), title="Canaries", fields=FIELDS)
    with open_door():
        house.released()
    kept = everything_kept(house)
    assert any(name.startswith("prompt ") for name in kept)
    assert sum(name.endswith(" as stella") and b"<h1>" in content for name, content in kept.items()) > 15
    assert any("data.csv" in name for name in kept)
    for canary in (TEXT, PLACE, NUMBER):
        assert [name for name, content in kept.items() if canary.encode() in content] == []


def test_the_search_would_find_one() -> None:
    house = request_site.make()
    house.dataset = privacy_site.dataset(house.owner, content=table(), title=f"About {TEXT}", fields=FIELDS)
    house.vote(house.submitted(), house.stella)
    assert [name for name, content in everything_kept(house).items() if TEXT.encode() in content]
    assert "remark" not in columns(house.dataset).names


def test_a_refused_file_leaves_no_value() -> None:
    house = request_site.make()
    house.vote(house.submitted(), house.stella)
    with pytest.raises(UploadRefused) as caught:
        services.receive_upload(
            by=house.owner, dataset=house.dataset, stream=io.BytesIO(b"sex,age,pay\nf,31," + PLACE.encode() + b"\n"),
            filename="t.csv",
        )  # fmt: skip
    assert PLACE not in str(caught.value)
    assert [name for name, content in everything_kept(house).items() if PLACE.encode() in content] == []
