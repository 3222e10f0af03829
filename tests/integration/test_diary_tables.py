"""Three related tables through the whole road: registered, measured, made again, packaged, verified, replayed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from django.core.management import call_command
from openpyxl import load_workbook

from audit import keys, verify_package
from audit.models import LogEntry
from privacy import selectors
from privacy.models import LedgerEntry
from privacy.problems import UploadRefused
from synthesis.models import SynthesisRequest
from synthesis.states import RequestState as S
from tests import diary_site, request_site
from tests.integration.test_related_tables import Quick, folder_of
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "log"])
CANARY = "canary7351"
NAMES = ("households", "persons", "trips")


@pytest.fixture
def town() -> Site:
    found = request_site.make()
    found.dataset = diary_site.dataset(found.owner)
    return found


@pytest.fixture
def made(town: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[SynthesisRequest]:
    monkeypatch.setattr("synthesis.relating.MemberSettings", Quick)
    with open_door():
        yield town.released(rows=150)


def test_days_go_the_whole_way(town: Site, made: SynthesisRequest, capsys: pytest.CaptureFixture[str]) -> None:
    """Same tables, columns and spelling; keys that join; charged as was asked for; and a replay rebuilds every file."""
    assert made.state == S.RELEASED, made.note
    homes, people, trips = (pd.read_csv(folder_of(made) / f"{name}.csv", keep_default_na=False) for name in NAMES)
    keys_join(homes, people, trips)
    descriptions_agree(made, people, trips)
    charged(made)
    assert verify_package.verify(folder_of(made), keys.packages().public).found == []
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        call_command("replay_prompts", str(made.pk), "--json")
    told = json.loads(capsys.readouterr().out)
    assert (ended.value.code, told["verdict"]) == (0, "equal"), told
    assert told["counts"]["files of the table rebuilt, bit for bit"] == 6


def keys_join(homes: pd.DataFrame, people: pd.DataFrame, trips: pd.DataFrame) -> None:
    assert homes["household_id"].tolist() == list(range(1, 151))
    assert people["person_id"].tolist() == list(range(1, len(people) + 1))
    assert trips["trip_id"].tolist() == list(range(1, len(trips) + 1))
    assert set(people["household_id"]) == set(homes["household_id"])
    assert set(trips["person_id"]) <= set(people["person_id"])
    whole = trips.merge(people, on="person_id").merge(homes, on="household_id")
    first = whole["person_id"] != whole["person_id"].shift()
    assert (whole["origin"] == whole["zone"].shift().where(~first, whole["home_zone"])).all()
    assert (whole["purpose"] == "home")[first.shift(-1, fill_value=True)].all()


def descriptions_agree(request: SynthesisRequest, people: pd.DataFrame, trips: pd.DataFrame) -> None:
    folder = folder_of(request)
    package = json.loads((folder / "datapackage.json").read_text())
    schemas = {each["name"]: each["schema"] for each in package["resources"]}
    for name, key, above in (("persons", "household_id", "households"), ("trips", "person_id", "persons")):
        assert schemas[name]["foreignKeys"] == [{"fields": key, "reference": {"resource": above, "fields": key}}]
    sets = {each["name"]: each for each in json.loads((folder / "croissant.json").read_text())["recordSet"]}
    refers = [field.get("references") for field in sets["trips"]["field"] if field["name"] == "person_id"]
    assert refers == [{"field": {"@id": sets["persons"]["field"][0]["@id"]}}]
    assert load_workbook(folder / "data.xlsx").sheetnames == list(NAMES)
    report = json.loads((folder / "quality.json").read_text())
    assert report["related"]["rows"] == {"households": 150, "persons": len(people), "trips": len(trips)}
    assert {"trips: days end at home"} & {f"trips: {rule['reason']}" for rule in report["rules"]}
    assert any(table["columns"] == ["purpose before", "purpose"] for table in report["related"]["tables"])
    assert f"{len(trips)} trips" in (folder / "README.md").read_text()
    assert len(pd.read_parquet(folder / "trips.parquet")) == len(trips)


def charged(request: SynthesisRequest) -> None:
    release = selectors.released(request.release_key)
    charges = LedgerEntry.objects.filter(reservation__dataset=request.dataset, kind=LedgerEntry.Kind.COMMIT)
    assert {table.measurement for table in (*release.marginals, *release.tied)} == {str(one.pk) for one in charges}
    assert 0.99 * float(request.rho) < sum(float(one.rho) for one in charges) <= float(request.rho)


def test_the_pages_say_what_of_trips_is_counted(town: Site, made: SynthesisRequest, client: Any) -> None:
    client.force_login(town.stella)
    measure = client.get(f"/requests/{made.pk}/gate/measure/").content.decode()
    assert "with up to 4 persons, and with up to 16 trips of these" in measure
    assert "the first 6 of each and 16 of a unit in all count" in measure
    assert "tables of two columns: of one of the trips" in measure
    assert "with its place in the order, and with the one before" in measure
    assert "days end at home" in measure
    output = client.get(f"/requests/{made.pk}/gate/output/").content.decode()
    assert "zone before × zone" in output
    assert "names a row of persons in every one of them" in output
    client.force_login(town.owner)
    shown = client.get(f"/datasets/{town.dataset.pk}/").content.decode()
    assert "trips.purpose" in shown
    pooled = next(table for table in selectors.released(made.release_key).tied if "all trips" in table.clique.columns)
    assert "counts are votes" in client.get(f"/statistics/{pooled.measurement}/").content.decode()


def test_how_many_rows_count_is_for_those_who_see_everything(town: Site, client: Any) -> None:
    files = diary_site.files()
    trips = pd.read_csv(io.BytesIO(files["trips.csv"]), dtype=str)
    trips.loc[trips["purpose"] == "home", "origin"] = "nowhere"
    handed_in = diary_site.upload(town.dataset, files | {"trips.csv": trips.to_csv(index=False).encode()})
    assert handed_in.closed == (trips["purpose"] == "home").sum()
    told = {"name": "trips", "read": len(trips), "kept": len(trips)}
    whole, page = f"/api/v1/datasets/{town.dataset.pk}/", f"/datasets/{town.dataset.pk}/"
    client.force_login(town.owner)
    kept = client.get(whole).json()["versions"][-1]
    assert (kept["tables"][-1], kept["closed"]) == (told, None)
    assert f"{len(trips):,}" in client.get(page).content.decode()
    client.force_login(town.rosa)
    assert client.get(whole).json()["versions"] is None
    assert "Rows of each table" not in client.get(page).content.decode()


def test_bad_files_are_told_by_table_column_rule_and_line(town: Site, caplog: pytest.LogCaptureFixture) -> None:
    files = diary_site.files(5)
    trips = f"trip_id,person_id,purpose,hour,origin,zone,mode\nt1,{CANARY},work,8,1,1,bus\nt1,p0,{CANARY},9,1,99,bus\n"
    with pytest.raises(UploadRefused) as refused:
        diary_site.upload(town.dataset, files | {"trips.csv": trips.encode()})
    assert [str(problem) for problem in refused.value.problems] == [
        "column trips.purpose: a value is not among the declared ones (line 3)",
        "column trips.zone: a value is not a whole number from 1 to 40 (line 3)",
    ]
    joined = trips.replace(f"p0,{CANARY},9,1,99", "p0,work,9,1,9")
    with pytest.raises(UploadRefused) as refused:
        diary_site.upload(town.dataset, files | {"trips.csv": joined.encode()})
    assert [str(problem) for problem in refused.value.problems] == [
        "column trips.trip_id: a key is there twice (line 3)",
        "column trips.person_id: a key names no row of persons (line 2)",
    ]
    assert CANARY.encode() not in b"".join(bytes(one.leaf) for one in LogEntry.objects.all())
    assert CANARY not in caplog.text
