"""Public records of released packages: a DCAT catalogue, a Croissant record each, and a page over them.

Only packages whose dataset's owner declared ``catalogue``, while their release stands. A record says what the owner
declared public and what privacy was spent; no purpose, no person, no row, no column whose name is not public.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from audit import documents
from privacy import selectors
from synthesis import describing
from synthesis.models import Package
from synthesis.states import RequestState

Facts = dict[str, Any]

DCAT_CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/", "foaf": "http://xmlns.com/foaf/0.1/",
    "duo": "http://purl.obolibrary.org/obo/DUO_", "dp": describing.PRIVACY, "xsd": "http://www.w3.org/2001/XMLSchema#",
}  # fmt: skip
OBO = "http://purl.obolibrary.org/obo/"


def records() -> Iterator[Facts]:
    """What may be told in public of each package, newest first."""
    found = Package.objects.filter(run__request__state=RequestState.RELEASED)
    for package in found.select_related("run__request__dataset").order_by("-created_at"):
        request = package.run.request
        uses = selectors.schema(request.dataset).uses
        if uses.catalogue:
            yield record(package, selectors.dictionary(request.dataset, public_only=True), uses.in_words())


def record(package: Package, columns: tuple[selectors.ColumnFacts, ...], uses: list[dict[str, str]]) -> Facts:
    told = package.manifest
    names = [name for table in told.get("tables", []) for name in table["files"]] or ["data.csv", "data.parquet"]
    data = [file for file in told["files"] if file["name"] in names]
    return {
        "package": told["package"], "title": f"Synthetic table from {told['dataset']}", "dataset": told["dataset"],
        "rows": told["rows"], "made_at": told["made_at"], "privacy": told["privacy"] | {"found": []}, "uses": uses,
        "files": data, "sha256": package.content_hash,
        "columns": [
            {"name": name, "kind": one.kind, "title": one.title, "file": file}
            for one in columns for file, name in [held_in(one.name, told.get("tables", []))] if file
        ],
        **({"tables": told["tables"]} if "tables" in told else {}),
    }  # fmt: skip


def held_in(column: str, tables: list[Facts]) -> tuple[str, str]:
    """The file that holds a column, and its name there; no file for what only joins related tables."""
    if not tables:
        return "data.parquet", column
    found = (one for one in tables if column.startswith(f"{one['name']}."))
    return next(((one["files"][1], column.removeprefix(f"{one['name']}.")) for one in found), ("", column))


def dcat(found: list[Facts], *, site: str, publisher: str) -> Facts:
    """A DCAT 3 catalogue as JSON-LD; nothing in it can be downloaded without asking for it on the site."""
    return {
        "@context": DCAT_CONTEXT, "@id": f"{site}/catalogue", "@type": "dcat:Catalog", "dct:title": "Synthetic tables",
        "dct:publisher": {"@type": "foaf:Agent", "foaf:name": publisher},
        "dct:modified": {"@type": "xsd:dateTime", "@value": timezone.now().isoformat(timespec="seconds")},
        "dcat:dataset": [entry(one, site) for one in found],
    }  # fmt: skip


def entry(one: Facts, site: str) -> Facts:
    return {
        "@id": f"urn:uuid:{one['package']}", "@type": "dcat:Dataset", "dct:title": one["title"],
        "dct:description": describing.about(one), "dct:identifier": one["package"],
        "dct:issued": {"@type": "xsd:dateTime", "@value": one["made_at"]},
        "dct:conformsTo": [{"@id": f"{OBO}{use['code'].replace(':', '_')}"} for use in one["uses"]],
        "dcat:landingPage": {"@id": site}, "dct:accessRights": "On request, to be approved by data stewards.",
        "dcat:distribution": [distribution(file) for file in one["files"]],
        "dp:differentialPrivacy": {f"dp:{name}": value for name, value in one["privacy"].items()},
    }  # fmt: skip


def distribution(file: Facts) -> Facts:
    return {
        "@type": "dcat:Distribution", "dct:title": file["name"], "dcat:mediaType": file["type"],
        "dcat:byteSize": file["bytes"], "dct:description": f"SHA-256 {file['sha256']}",
    }  # fmt: skip


def write(folder: Path) -> int:
    """Write the catalogue into a new folder; how many packages it names. FileExistsError where it exists."""
    folder.mkdir(parents=True)
    found, site = list(records()), settings.SITE_URL
    publisher = str(settings.CONTROLLER.get("name", "not stated"))
    _json(folder / "catalogue.jsonld", dcat(found, site=site, publisher=publisher))
    for one in found:
        _json(folder / f"{one['package']}.croissant.json", describing.listed(one))
    page = documents.written("package/catalogue.html", {"found": found, "publisher": publisher, "site": site})
    (folder / "index.html").write_text(page, encoding="utf-8")
    return len(found)


def _json(path: Path, content: Facts) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
