"""What a package says of itself in the formats of others: Frictionless, Croissant, PROV-JSON. No database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthesis import describing_related
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
    "fileObject": "cr:fileObject", "key": "cr:key", "references": "cr:references",
    "recordSet": "cr:recordSet", "source": "cr:source",
}  # fmt: skip


def described(folder: Path, facts: Facts, files: list[Facts]) -> dict[str, Facts]:
    """The JSON documents by file name. ``files``: name, sha256, bytes and type of the files of each table."""
    found = tables_of(folder, facts, files)
    return {
        "datapackage.json": datapackage(found, facts),
        "croissant.json": croissant(found, facts, files),
        "prov.json": lineage(facts),
    }


@dataclass(frozen=True, slots=True)
class Described:
    """One table: its CSV and Parquet files, the CSV's ``names`` (formulas are disarmed), and the types of columns.

    ``fact`` is what the package says of it where it is one of several related tables.
    """

    csv: Facts
    parquet: Facts
    names: list[str]
    columns: pa.Schema
    fact: Facts | None = None


def tables_of(folder: Path, facts: Facts, files: list[Facts]) -> list[Described]:
    """Every table of a package: related ones, or one, and beside it the one under a what-if."""
    related = facts.get("tables", [])
    found = []
    for one, other in zip(files[::2], files[1::2], strict=True):
        fact = next((table for table in related if one["name"] in table["files"]), None)
        shape = pq.read_schema(folder / other["name"])
        found.append(Described(one, other, describing_related.header(folder / one["name"]), shape, fact))
    return found


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
        f"{made_in_words(facts)}, made from differentially private statistics of {facts['dataset']}: "
        f"epsilon = {privacy['epsilon']} at delta = {privacy['delta']}, protecting {privacy['unit']} "
        f"({privacy['neighbours']} neighbours). No row describes a person."
    )
    if not is_end_to_end(facts):
        told += f" {NOT_END_TO_END}"
    return told + (f" A second table of as many rows supposes: {second}" if second else "")


def made_in_words(facts: Facts) -> str:
    """What was made, and how much of it."""
    if "tables" not in facts:
        return f"A synthetic table of {facts['rows']} rows"
    counts = ", ".join(f"{one['rows']} {one['name']}" for one in facts["tables"])
    return f"Related synthetic tables ({counts})"


def datapackage(found: list[Described], facts: Facts) -> Facts:
    """A Frictionless data package of the CSV files."""
    tables = []
    for one in found:
        fields = [{"name": name, "type": kinds(column)[0]} for name, column in zip(one.names, one.columns, strict=True)]
        told = resource(one.csv, fields, which(facts, one.csv["name"]))
        tables.append(describing_related.joined(told, one.fact) if one.fact else told)
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


def croissant(found: list[Described], facts: Facts, files: list[Facts]) -> Facts:
    """A Croissant 1.1 description of the Parquet files, with the privacy loss under names of our own."""
    shapes = {one.fact["name"]: one.columns for one in found if one.fact}
    sets = [record_set(one, which(facts, one.parquet["name"]), shapes) for one in found]
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
    sets = [listed_set(file, facts["columns"]) for file in dict.fromkeys(one["file"] for one in facts["columns"])]
    return {
        "@context": CONTEXT, "@type": "sc:Dataset", "conformsTo": f"{CROISSANT}1.1", "name": facts["title"],
        "description": about(facts), "identifier": facts["package"], "url": f"urn:uuid:{facts['package']}",
        "datePublished": facts["made_at"], "version": "1.0.0", "conditionsOfAccess": "On request",
        "usageInfo": [one["code"] for one in facts["uses"]],
        "distribution": [file_object(file) for file in facts["files"]], "recordSet": sets,
        "dp:differentialPrivacy": {f"dp:{name}": value for name, value in facts["privacy"].items()},
    }  # fmt: skip


def listed_set(file: str, columns: list[Facts]) -> Facts:
    name = "table" if file == "data.parquet" else Path(file).stem
    fields = [listed_field(name, one) for one in columns if one["file"] == file]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def listed_field(record_set: str, one: Facts) -> Facts:
    name = one["name"]
    return {
        "@type": "cr:Field", "@id": f"{record_set}/{name}", "name": name, "description": one["title"] or name,
        "dataType": DECLARED.get(one["kind"], "sc:Text"),
        "source": {"fileObject": {"@id": one["file"]}, "extract": {"column": name}},
    }  # fmt: skip


def record_set(one: Described, described_as: str, shapes: dict[str, pa.Schema]) -> Facts:
    """``table`` is data.parquet, ``table-what-if`` the other one; related tables have names of their own."""
    source = one.parquet["name"]
    name = one.fact["name"] if one.fact else Path(source).stem.replace("data", "table", 1)
    fields = [
        {
            "@type": "cr:Field", "@id": f"{name}/{number}", "name": column.name, "dataType": kinds(column)[1],
            "source": {"fileObject": {"@id": source}, "extract": {"column": column.name}},
        }
        for number, column in enumerate(one.columns)
    ]  # fmt: skip
    told = {"description": f"The table {described_as}"} if described_as else {}
    found = {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields, **told}
    return describing_related.referring(found, one.fact, shapes) if one.fact else found


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
