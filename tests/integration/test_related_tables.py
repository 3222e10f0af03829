"""Related tables through the whole road: registered, measured, made again, packaged, verified, replayed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from openpyxl import load_workbook

from audit import keys, verify_package
from audit.models import LogEntry
from privacy import selectors, vault
from privacy.bundles import Bundle
from privacy.models import LedgerEntry
from privacy.problems import UploadRefused
from privacy.services import receive_upload
from synthesis import packaging, running
from synthesis.members import MemberSettings
from synthesis.models import SynthesisRequest
from synthesis.states import Gate, Proposer
from synthesis.states import RequestState as S
from tests import related_site, request_site
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "log"])
QUICK = MemberSettings(sweeps=15, settle_sweeps=5)
CANARY = "canary7351"


@pytest.fixture
def house() -> Site:
    found = request_site.make()
    found.dataset = related_site.dataset(found.owner)
    return found


@pytest.fixture
def made(house: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[SynthesisRequest]:
    monkeypatch.setattr("synthesis.relating.MemberSettings", Quick)
    with open_door():
        yield house.released(rows=400)


class Quick(MemberSettings):
    """Fewer sweeps, as a run's settings would say."""

    def __new__(cls, **known: Any) -> MemberSettings:  # type: ignore[misc]
        return MemberSettings(**known) if known else QUICK


def folder_of(request: SynthesisRequest) -> Path:
    return packaging.package_folder(str(request.run.package.pk))


def tables_of(request: SynthesisRequest) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = folder_of(request)
    homes, people = (pd.read_csv(folder / name, keep_default_na=False) for name in ("households.csv", "persons.csv"))
    return homes, people


def test_households_go_the_whole_way(made: SynthesisRequest, capsys: pytest.CaptureFixture[str]) -> None:
    """Same tables, columns and spelling, unique keys, no person without a household; the files agree and replay."""
    assert made.state == S.RELEASED, made.note
    homes, people = tables_of(made)
    keys_join(homes, people)
    spelled_and_ruled(homes, people)
    descriptions_agree(made, homes, people)
    assert verify_package.verify(folder_of(made), keys.packages().public).found == []
    charged_before_counted(made)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        call_command("replay_prompts", str(made.pk), "--json")
    told = json.loads(capsys.readouterr().out)
    assert (ended.value.code, told["verdict"]) == (0, "equal"), told
    assert told["counts"]["files of the table rebuilt, bit for bit"] == 4


def keys_join(homes: pd.DataFrame, people: pd.DataFrame) -> None:
    assert homes["household_id"].tolist() == list(range(1, 401))
    assert set(people["household_id"]) == set(homes["household_id"])  # each household has one person at least
    sizes = people.groupby("household_id").size()
    assert sizes.between(1, 4).all()
    assert people["person_number"].tolist() == [place for size in sizes for place in range(1, size + 1)]


def spelled_and_ruled(homes: pd.DataFrame, people: pd.DataFrame) -> None:
    assert list(homes.columns) == ["household_id", "region", "dwelling"]
    assert list(people.columns) == ["household_id", "person_number", "age", "work"]
    assert set(homes["region"]) <= {"north", "south", "west"}
    assert set(people["work"]) <= {"yes", "no", ""}
    children = people["age"].astype(int) < 18
    assert children.any()
    assert (people.loc[children, "work"] == "").all()


def descriptions_agree(request: SynthesisRequest, homes: pd.DataFrame, people: pd.DataFrame) -> None:
    folder = folder_of(request)
    package = json.loads((folder / "datapackage.json").read_text())
    schemas = {each["name"]: each["schema"] for each in package["resources"]}
    assert schemas["households"]["primaryKey"] == "household_id"
    reference = {"resource": "households", "fields": "household_id"}
    assert schemas["persons"]["foreignKeys"] == [{"fields": "household_id", "reference": reference}]
    for name, frame in (("households", homes), ("persons", people)):
        assert [field["name"] for field in schemas[name]["fields"]] == list(frame.columns)
        assert len(pd.read_parquet(folder / f"{name}.parquet")) == len(frame)
    sets = {each["name"]: each for each in json.loads((folder / "croissant.json").read_text())["recordSet"]}
    refers = [field.get("references") for field in sets["persons"]["field"] if field["name"] == "household_id"]
    assert refers == [{"field": {"@id": sets["households"]["field"][0]["@id"]}}]
    book = load_workbook(folder / "data.xlsx")
    assert book.sheetnames == ["households", "persons"]
    assert book["persons"].max_row == len(people) + 1
    report = json.loads((folder / "quality.json").read_text())
    assert report["related"]["rows"] == {"households": 400, "persons": len(people)}
    assert any(rule["rule"].startswith("persons:") for rule in report["rules"])
    readme = (folder / "README.md").read_text()
    assert f"{len(people)} persons" in readme
    assert "data.csv" not in readme + (folder / "report.html").read_text()


def charged_before_counted(request: SynthesisRequest) -> None:
    """Every released table has its own charge, and all of them together are what was asked for."""
    release = selectors.released(request.release_key)
    assert len(release.tied) > len(release.marginals) > 1
    charges = LedgerEntry.objects.filter(reservation__dataset=request.dataset, kind=LedgerEntry.Kind.COMMIT)
    assert {table.measurement for table in (*release.marginals, *release.tied)} == {str(one.pk) for one in charges}
    assert sum(one.rho for one in charges) <= request.rho
    assert release.domain.columns == ("region", "dwelling", "number of persons")


def test_a_worker_that_dies_while_members_are_made_loses_nothing(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one starts over, and the tables are those that the first would have made."""
    monkeypatch.setattr("synthesis.relating.MemberSettings", Quick)
    with open_door():
        request = house.measured(rows=60)
        for steward in (house.stella, house.stefan)[:1]:
            house.vote(request, steward, Gate.EGRESS)
        honest = running.conclude
        with monkeypatch.context() as patched:
            patched.setattr("synthesis.relating.spelled", broken)
            running.synthesise(str(request.pk))
        request.refresh_from_db()
        assert (request.state, running.conclude) == (S.PAUSED, honest)
        assert not list((Path(packaging.package_folder("x")).parent).glob("*"))
        house_resumes(house, request)
    request.refresh_from_db()
    assert request.state == S.CHECKING
    with pytest.raises(SystemExit) as ended:
        call_command("replay_prompts", str(request.pk), "--json")
    assert ended.value.code == 0


def broken(*args: Any, **values: Any) -> Any:
    raise RuntimeError("planted")


def house_resumes(house: Site, request: SynthesisRequest) -> None:
    from synthesis import services

    services.resume(by=house.ada if house.ada.has_perm("synthesis.stop_run") else house.stella, request=request)
    running.synthesise(str(request.pk))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"proposer": Proposer.PUBLIC}, "embedded proposer alone"),
        ({"proposer": Proposer.OPENAI}, "embedded proposer alone"),
        ({"targets": ["households.region"]}, "whatever is of interest"),
    ],
)
def test_what_related_tables_do_not_offer_is_said_when_it_is_asked_for(
    house: Site, changes: dict[str, Any], rule: str
) -> None:
    with pytest.raises(ValidationError, match=rule):
        house.request(**changes)


def refusal_of(house: Site, contents: dict[str, bytes]) -> list[str]:
    with pytest.raises(UploadRefused) as refused:
        related_site.upload(house.dataset, contents)
    return [str(problem) for problem in refused.value.problems]


def test_bad_files_are_told_by_table_column_rule_and_line(house: Site, caplog: pytest.LogCaptureFixture) -> None:
    homes = f"household_id,region,dwelling\n1,north,flat\n1,{CANARY},flat\n,south,flat\n".encode()
    people = f"household_id,person_number,age,work\n1,1,30,yes\n{CANARY},x,{CANARY},yes\n".encode()
    assert refusal_of(house, {"households.csv": homes, "persons.csv": people}) == [
        "column households.region: a value is not among the declared ones (line 3)",
        "column households.household_id: a key is missing (line 4)",
        "column persons.age: a value is not a whole number from 0 to 99 (line 3)",
        "column persons.person_number: the order of members must be whole numbers (line 3)",
    ]
    facts = [bytes(one.leaf) for one in LogEntry.objects.all()]
    assert CANARY.encode() not in b"".join(facts)
    assert CANARY not in caplog.text


def test_keys_that_do_not_join_are_told_without_a_value(house: Site) -> None:
    homes = b"household_id,region,dwelling\n1,north,flat\n1,north,flat\n2,south,flat\n"
    people = f"household_id,person_number,age,work\n1,1,30,yes\n{CANARY},1,30,yes\n".encode()
    assert refusal_of(house, {"households.csv": homes, "persons.csv": people}) == [
        "column households.household_id: a key is there twice (line 3)",
        "column persons.household_id: a key names no row of households (line 3)",
    ]


def test_files_that_lack_or_exceed_the_declaration(house: Site) -> None:
    files = related_site.files(5)
    assert refusal_of(house, {"households.csv": files["households.csv"]}) == ["table persons: persons.csv is missing"]
    told = refusal_of(house, files | {f"{CANARY}.csv": b"x\n"})
    assert told == ["there is a file that no table declares; declared are households.csv, persons.csv"]
    with pytest.raises(UploadRefused, match="one CSV file for each table, or as one ZIP"):
        receive_upload(by=house.owner, dataset=house.dataset, stream=io.BytesIO(b"a,b\n1,2\n"), filename="t.csv")
    cut = related_site.zipped(files)[:-40]
    with pytest.raises(UploadRefused, match="archive is damaged"):
        receive_upload(by=house.owner, dataset=house.dataset, stream=io.BytesIO(cut), filename="t.zip")


def test_files_one_by_one_are_sealed_like_an_archive_of_them(house: Site) -> None:
    files = related_site.files(50)
    zipped = related_site.upload(house.dataset, files)
    stream = io.BufferedReader(Bundle([(name, len(each), io.BytesIO(each)) for name, each in files.items()]))
    single = receive_upload(by=house.owner, dataset=house.dataset, stream=stream, filename="both")
    assert (zipped.rows_read, single.rows_kept) == (50, 50)
    one, other = vault.codes(zipped), vault.codes(single)
    assert (one == other).all()


def test_several_files_for_one_table_are_refused(house: Site) -> None:
    from tests import privacy_site

    single = privacy_site.dataset(privacy_site.person("otto", "owner"), population="others")
    stream = io.BufferedReader(Bundle([("a.csv", 2, io.BytesIO(b"a\n")), ("b.csv", 2, io.BytesIO(b"b\n"))]))
    with pytest.raises(UploadRefused, match="one file is expected"):
        receive_upload(by=single.owner, dataset=single, stream=stream, filename="both")


def test_the_pages_say_who_is_protected_and_what_is_counted(house: Site, made: SynthesisRequest, client: Any) -> None:
    client.force_login(house.stella)
    measure = client.get(f"/requests/{made.pk}/gate/measure/").content.decode()
    assert "one row of households (one household), with up to 4 persons" in measure
    assert "share <strong>1 vote</strong>" in measure
    egress = client.get(f"/requests/{made.pk}/gate/egress/").content.decode()
    assert "age of one × age of another" in egress
    output = client.get(f"/requests/{made.pk}/gate/output/").content.decode()
    assert "two of one unit" in output
    pooled = selectors.released(made.release_key).tied[0]
    client.force_login(house.owner)
    assert "counts are votes" in client.get(f"/statistics/{pooled.measurement}/").content.decode()
    assert "persons.age" in client.get(f"/datasets/{house.dataset.pk}/").content.decode()
