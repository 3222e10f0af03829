"""Other tools read what the package says of itself, and find the very table it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.unit.test_packaging import FACTS, write

TABLE = pd.DataFrame(
    {
        "=x": pd.array([1, None, -3], dtype="Int64"),
        "kind": ["=1", "b", None],
        "share": [0.5, 1.5, 2.5],
        "yes": [True, False, True],
        "day": pd.to_datetime(["2030-01-01", "2030-01-02", None]),
    }
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    write(tmp_path, TABLE)
    return tmp_path


def told(package: Path, name: str) -> Any:
    return json.loads((package / name).read_text())


def test_the_data_package_names_the_columns_of_the_csv_file_and_their_types(package: Path) -> None:
    table = told(package, "datapackage.json")["resources"][0]
    assert [(field["name"], field["type"]) for field in table["schema"]["fields"]] == [
        ("'=x", "integer"), ("kind", "string"), ("share", "number"), ("yes", "boolean"), ("day", "any"),
    ]  # fmt: skip
    assert table["bytes"] == (package / "data.csv").stat().st_size


def test_frictionless_reads_every_row_and_finds_no_fault(package: Path) -> None:
    frictionless = pytest.importorskip("frictionless")
    report = frictionless.validate(str(package / "datapackage.json"))
    assert report.flatten(["type", "note"]) == []
    assert report.tasks[0].stats["rows"] == 3
    (package / "data.csv").write_text("'=x,kind,share,yes,day\nmany,b,1,True,\n")
    found = frictionless.validate(str(package / "datapackage.json")).flatten(["type"])
    assert ["type-error"] in found


def test_mlcroissant_reads_the_table_from_its_description(package: Path) -> None:
    croissant = pytest.importorskip("mlcroissant")
    read = croissant.Dataset(jsonld=str(package / "croissant.json"))
    assert not read.metadata.ctx.issues.errors
    rows = list(read.records("table"))
    assert [row["table/2"] for row in rows] == [0.5, 1.5, 2.5]
    assert str(read.metadata.ctx.conforms_to.value) == "http://mlcommons.org/croissant/1.1"


def test_croissant_tells_the_privacy_loss_and_the_hashes(package: Path) -> None:
    described = told(package, "croissant.json")
    assert described["dp:differentialPrivacy"] == {f"dp:{name}": value for name, value in FACTS["privacy"].items()}
    hashes = {file["name"]: file["sha256"] for file in told(package, "manifest.json")["files"]}
    assert {file["name"]: file["sha256"] for file in described["distribution"]} == {
        name: hashes[name] for name in ("data.csv", "data.parquet")
    }


def test_lineage_leads_from_the_package_to_the_dataset(package: Path) -> None:
    lineage = told(package, "prov.json")
    steps = {(one["prov:generatedEntity"], one["prov:usedEntity"]) for one in lineage["wasDerivedFrom"].values()}
    assert {name for step in steps for name in step} == set(lineage["entity"])
    reached, grown = {"site:package"}, True
    while grown:
        more = {used for made, used in steps if made in reached} - reached
        reached, grown = reached | more, bool(more)
    assert reached == set(lineage["entity"])
    assert lineage["entity"]["site:release"] == {"site:release": "77c0", "site:rho": "0.01"}
