"""What a package says of itself in the formats of others: Frictionless, Croissant, PROV-JSON. No database."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthesis.report.disclosure import NOT_END_TO_END, is_end_to_end

Facts = dict[str, Any]

# Whether a column is of a kind, its type as Table Schema names it, and as Croissant does.
KINDS = (
    (pa.types.is_boolean, "boolean", "sc:Boolean"),
    (pa.types.is_integer, "integer", "sc:Integer"),
    (pa.types.is_floating, "number", "sc:Float"),
    (pa.types.is_temporal, "any", "sc:DateTime"),
)
DECLARED = {"integer": "sc:Integer", "number": "sc:Float", "boolean": "sc:Boolean"}
"""Types of declared columns; moments are written in more ways than one type has."""
OTHERS = ("string", "sc:Text")
"""Whatever else a column holds is a text. A moment is written in more ways than Table Schema has a type for."""
PRIVACY = "urn:llmsynthor:privacy:"
CROISSANT = "http://mlcommons.org/croissant/"
CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/", "cr": CROISSANT,
    "dct": "http://purl.org/dc/terms/", "dp": PRIVACY, "conformsTo": "dct:conformsTo", "column": "cr:column",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "extract": "cr:extract", "field": "cr:field",
    "fileObject": "cr:fileObject", "recordSet": "cr:recordSet", "source": "cr:source",
}  # fmt: skip


def described(folder: Path, facts: Facts, files: list[Facts]) -> dict[str, Facts]:
    """The JSON documents by file name. ``files``: name, sha256, bytes and type of the files of each table."""
    columns = pq.read_schema(folder / "data.parquet")
    with (folder / "data.csv").open(encoding="utf-8", newline="") as file:
        names = next(csv.reader(file))
    return {
        "datapackage.json": datapackage(names, columns, facts, files),
        "croissant.json": croissant(columns, facts, files),
        "prov.json": lineage(facts),
    }


def supposition(facts: Facts) -> str:
    """The sentence that a second table is made under, or an empty string where there is no such table."""
    told = facts.get("what_if")
    return str(told["sentence"]) if told and told["applied"] else ""


def which(facts: Facts, file: str) -> str:
    """Which table a file holds, in words, where there are two."""
    if not supposition(facts):
        return ""
    return f"under the what-if: {supposition(facts)}" if file.startswith("data-what-if") else "as the statistics say"


def kinds(column: pa.Field) -> tuple[str, str]:
    return next(((ours, theirs) for is_it, ours, theirs in KINDS if is_it(column.type)), OTHERS)


def about(facts: Facts) -> str:
    privacy = facts["privacy"]
    second = supposition(facts)
    told = (
        f"A synthetic table of {facts['rows']} rows, made from differentially private statistics of "
        f"{facts['dataset']}: "
        f"epsilon = {privacy['epsilon']} at delta = {privacy['delta']}, protecting {privacy['unit']} "
        f"({privacy['neighbours']} neighbours). No row describes a person."
    )
    if not is_end_to_end(facts):
        told += f" {NOT_END_TO_END}"
    return told + (f" A second table of as many rows supposes: {second}" if second else "")


def datapackage(names: list[str], columns: pa.Schema, facts: Facts, files: list[Facts]) -> Facts:
    """A Frictionless data package of the CSV files, whose columns have these ``names``: formulas are disarmed."""
    fields = [{"name": name, "type": kinds(column)[0]} for name, column in zip(names, columns, strict=True)]
    tables = [resource(file, fields, which(facts, file["name"])) for file in files if file["name"].endswith(".csv")]
    return {
        "profile": "tabular-data-package", "name": f"package-{facts['package']}", "id": facts["package"],
        "title": facts["title"], "description": about(facts), "created": facts["made_at"], "resources": tables,
        "privacy": facts["privacy"],
    }  # fmt: skip


def resource(file: Facts, fields: list[Facts], described_as: str) -> Facts:
    told = {"description": f"The table {described_as}"} if described_as else {}
    return {
        "name": Path(file["name"]).stem, "path": file["name"], "format": "csv", "mediatype": file["type"],
        "encoding": "utf-8", "bytes": file["bytes"], "hash": f"sha256:{file['sha256']}",
        "profile": "tabular-data-resource", "schema": {"fields": fields}, **told,
    }  # fmt: skip


def croissant(columns: pa.Schema, facts: Facts, files: list[Facts]) -> Facts:
    """A Croissant 1.1 description of the Parquet files, with the privacy loss under names of our own."""
    sources = [file["name"] for file in files if file["name"].endswith(".parquet")]
    sets = [record_set(columns, source, which(facts, source)) for source in sources]
    return {
        "@context": CONTEXT, "@type": "sc:Dataset", "conformsTo": f"{CROISSANT}1.1", "name": facts["title"],
        "description": about(facts), "identifier": facts["package"], "url": f"urn:uuid:{facts['package']}",
        "datePublished": facts["made_at"], "version": "1.0.0",
        "distribution": [file_object(file) for file in files],
        "recordSet": sets,
        "dp:differentialPrivacy": {f"dp:{name}": value for name, value in facts["privacy"].items()},
    }  # fmt: skip


def listed(facts: Facts) -> Facts:
    """Croissant of a package that is named but not handed out: files with their hashes, the columns declared public."""
    fields = [listed_field(one["name"], one["kind"], one["title"]) for one in facts["columns"]]
    sets = [{"@type": "cr:RecordSet", "@id": "table", "name": "table", "field": fields}] if fields else []
    return {
        "@context": CONTEXT, "@type": "sc:Dataset", "conformsTo": f"{CROISSANT}1.1", "name": facts["title"],
        "description": about(facts), "identifier": facts["package"], "url": f"urn:uuid:{facts['package']}",
        "datePublished": facts["made_at"], "version": "1.0.0", "conditionsOfAccess": "On request",
        "usageInfo": [one["code"] for one in facts["uses"]],
        "distribution": [file_object(file) for file in facts["files"]], "recordSet": sets,
        "dp:differentialPrivacy": {f"dp:{name}": value for name, value in facts["privacy"].items()},
    }  # fmt: skip


def listed_field(name: str, kind: str, title: str) -> Facts:
    return {
        "@type": "cr:Field", "@id": f"table/{name}", "name": name, "description": title or name,
        "dataType": DECLARED.get(kind, "sc:Text"),
        "source": {"fileObject": {"@id": "data.parquet"}, "extract": {"column": name}},
    }  # fmt: skip


def record_set(columns: pa.Schema, source: str, described_as: str) -> Facts:
    """``table`` is data.parquet, ``table-what-if`` the other one."""
    name = Path(source).stem.replace("data", "table", 1)
    fields = [
        {
            "@type": "cr:Field", "@id": f"{name}/{number}", "name": column.name, "dataType": kinds(column)[1],
            "source": {"fileObject": {"@id": source}, "extract": {"column": column.name}},
        }
        for number, column in enumerate(columns)
    ]  # fmt: skip
    told = {"description": f"The table {described_as}"} if described_as else {}
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields, **told}


def file_object(file: Facts) -> Facts:
    kind = "application/x-parquet" if file["name"].endswith(".parquet") else file["type"]  # as Croissant names it
    return {
        "@type": "cr:FileObject", "@id": file["name"], "name": file["name"], "contentUrl": file["name"],
        "encodingFormat": kind, "sha256": file["sha256"], "contentSize": f"{file['bytes']} B",
    }  # fmt: skip


def lineage(facts: Facts) -> Facts:
    """PROV-JSON: each thing in the chain from the dataset to the package, and what it was derived from."""
    chain = {
        "dataset": {"prov:label": facts["dataset"]},
        "plan": {"prov:label": facts["title"], "site:request": facts["request"]},
        "release": {"site:release": facts["release"], "site:rho": facts["privacy"]["rho"]},
        "prompts": {"site:sha256OfWhatMayLeave": facts["manifest_of_egress"]},
        "answers": {"site:proposer": facts["proposer"]},
        "table": {"site:seed": facts["seed"], "site:settings": facts["settings"]},
        "package": {"site:package": facts["package"]},
    }
    made = {"measuring": "release", "synthesis": "table", "packaging": "package"}
    steps = [*zip(list(chain)[1:], list(chain), strict=False), ("release", "dataset"), ("table", "release")]
    if sentence := supposition(facts):
        chain |= {"what-if": {"prov:label": sentence, "site:by": facts["what_if"]["by"]}, "table-what-if": {}}
        made |= {"supposing": "table-what-if"}
        steps += [("table-what-if", each) for each in ("table", "what-if", "answers")] + [("package", "table-what-if")]
    return {
        "prefix": {"site": f"urn:llmsynthor:{facts['package']}:"},
        "entity": {f"site:{name}": told for name, told in chain.items()},
        "activity": {f"site:{name}": {} for name in made},
        "wasGeneratedBy": {
            f"_:made-{thing}": {"prov:entity": f"site:{thing}", "prov:activity": f"site:{by}"}
            for by, thing in made.items()
        },
        "wasDerivedFrom": {
            f"_:{later}-{earlier}": {"prov:generatedEntity": f"site:{later}", "prov:usedEntity": f"site:{earlier}"}
            for later, earlier in steps
        },
    }
