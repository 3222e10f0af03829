"""Everything a site keeps, shows, says or leaves behind, sorted into sinks, to look for what may be in none."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connections
from django.test import Client

from audit import bags, canonical, notes, prompts, rendering
from audit.export import export
from audit.models import LogEntry, PromptRecord
from audit.selection import Scope
from llmsynthor_site.evidence.making import make
from llmsynthor_site.models import User
from privacy.models import MeasurementRecord
from synthesis.models import SynthesisRequest
from tests import raw_bytes, request_site

Found = dict[str, bytes]
Sinks = dict[str, Found]


def hits(sinks: Sinks, secrets: dict[str, bytes]) -> list[str]:
    """Which secret was found where; the secret itself is not repeated."""
    return [
        f"{secret} in {sink}: {where}"
        for sink, found in sinks.items()
        for where, content in found.items()
        for secret, value in secrets.items()
        if value in content
    ]


def sinks(house: request_site.Site, request: SynthesisRequest, *, console: str, left: Path) -> Sinks:
    """All sinks by name. ``console`` is what was printed so far, ``left`` a folder where killed processes worked."""
    site = Path(settings.SITE_DIR)
    found = {
        "pages": dict(pages(house, request)), "error pages": dict(error_pages(house, request)),
        "console": {"console": console.encode()}, "broker": files(site / "broker"),
        "database": {alias: dump(alias) for alias in ("default", "log")},
        "log": {str(entry.pk): bytes(entry.leaf) for entry in LogEntry.objects.all()},
        "prompts": dict(sent()), "answers": dict(answers()), "packages": files(site / "packages"),
        "exports": dict(exports(request)),
        "temporary files": files(Path(tempfile.gettempdir())) | files(site / "inbox") | dict(unlinked()),
        "killed processes": files(left),
    }  # fmt: skip
    keys = str(site / "keys")
    rest = {name: content for name, content in files(site).items() if not name.startswith(keys)}
    return found | {"other files": rest}


def files(folder: Path) -> Found:
    return dict(raw_bytes.below(folder))


def unlinked() -> Iterator[tuple[str, bytes]]:
    """Files of this process that have no name any more and are still there."""
    for link in Path("/proc/self/fd").glob("*"):
        try:
            if link.is_file() and str(link.readlink()).endswith(" (deleted)"):
                yield str(link), link.read_bytes()
        except OSError:
            continue


def dump(alias: str) -> bytes:
    connection = connections[alias]
    connection.ensure_connection()
    raw = connection.connection
    assert isinstance(raw, sqlite3.Connection)
    return "\n".join(raw.iterdump()).encode()


def sent() -> Iterator[tuple[str, bytes]]:
    for record in PromptRecord.objects.all():
        yield f"{record} body", prompts.load_body(record)
        yield f"{record} map", rendering.to_map(prompts.load_prompt(record))


def answers() -> Iterator[tuple[str, bytes]]:
    for record in PromptRecord.objects.all():
        yield f"{record} error", record.error.encode()
        if record.answer_id:
            yield f"{record} answer", prompts.answer(record.intent_id)


def exports(request: SynthesisRequest) -> Iterator[tuple[str, bytes]]:
    """An export of the log and an evidence pack, with every body inside them decoded."""
    with tempfile.TemporaryDirectory(dir=Path(settings.SITE_DIR).parent) as beside:
        export(Path(beside) / "log", by="console", reason="to look")
        pack = Path(beside) / "pack.zip"
        make(Scope("request", str(request.pk)), by="console", reason="to look", target=pack)
        bags.unpack(pack, Path(beside) / "pack")
        for name, content in files(Path(beside)).items():
            yield name, content
            if name.endswith("bodies.jsonl"):
                for line in content.splitlines():
                    body = canonical.loads(line)
                    yield f"{name} {body['id']}", notes.unb64(body["data"])


def signed_in(person: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(person, backend="llmsynthor_site.backends.RoleBackend")
    return client


def pages(house: request_site.Site, request: SynthesisRequest) -> Iterator[tuple[str, bytes]]:
    """Every page about the request and its dataset, as each person sees it."""
    about, dataset = request.get_absolute_url(), house.dataset.get_absolute_url()
    parts = ("", "gate/measure/", "gate/egress/", "gate/output/", "run/", "run/progress/", "prompts/", "download/")
    addresses = ["/", "/help/", "/datasets/", dataset, f"{dataset}upload/", f"{dataset}evidence/", "/requests/"]
    addresses += ["/log/", "/log/?page=2", "/log/evidence/", f"{about}evidence/"]
    addresses += [f"/statistics/{table.entry_id}/" for table in MeasurementRecord.objects.all()]
    addresses += [about + part for part in parts]
    addresses += [f"{about}prompts/{record.intent_id}/" for record in PromptRecord.objects.all()]
    for person in (house.owner, house.stella, house.rosa, house.amir, house.ada):
        client = signed_in(person)
        for address in addresses:
            answer = client.get(address)
            yield f"{address} as {person}", answer.content + str(answer.headers).encode()


def error_pages(house: request_site.Site, request: SynthesisRequest) -> Iterator[tuple[str, bytes]]:
    """Refusals of every kind: unknown, forbidden, malformed, broken off, broken, and the log gone."""
    for person in (house.owner, house.rosa, house.ada):
        client = signed_in(person)
        for address in ("/nothing/here/", f"{request.get_absolute_url()}prompts/", "/log/", "/statistics/1/"):
            yield f"{address} as {person}", client.get(address).content
        yield f"bad host as {person}", client.get("/", headers={"host": "a b"}).content
        yield f"no token as {person}", Client(enforce_csrf_checks=True).post("/sign-in/", {"username": "x"}).content
        yield f"broken as {person}", _broken(client)


def _broken(client: Client) -> bytes:
    """The page of an unexpected error: the site's own list of pages is taken away for one request."""
    from django.test import override_settings

    with override_settings(ROOT_URLCONF="tests.broken_urls"):
        return client.get("/").content
