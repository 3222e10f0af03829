"""Registering and uploading: what is refused, in which words, to whom; and that nothing is half-saved."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import PermissionDenied

from audit import events
from audit.models import LogEntry
from llmsynthor_site.models import User
from privacy import inbox, places, sealing, selectors, services, vault
from privacy.errors import DeclarationRefused, SealBroken
from privacy.models import Dataset, DatasetVersion, LedgerEntry, Population
from privacy.problems import SchemaError, UploadRefused
from tests import privacy_site
from tests.privacy_site import declaration, table

pytestmark = pytest.mark.django_db(databases=["default", "log"])
CANARY = "83749canary"


@pytest.fixture
def owner(site: Any) -> User:
    privacy_site.make_keys()
    return privacy_site.person("olivia", "owner")


@pytest.fixture
def dataset(owner: User) -> Dataset:
    return services.register_dataset(by=owner, declaration=declaration())


def upload(dataset: Dataset, content: bytes, *, by: User | None = None, name: str = "t.csv") -> DatasetVersion:
    return services.receive_upload(by=by or dataset.owner, dataset=dataset, stream=io.BytesIO(content), filename=name)


def refused(dataset: Dataset, content: bytes) -> list[str]:
    with pytest.raises(UploadRefused) as found:
        upload(dataset, content)
    assert not DatasetVersion.objects.exists()
    assert list(places.sealed("x").parent.glob("*")) == []
    return [str(problem) for problem in found.value.problems]


def actions() -> list[str]:
    return list(LogEntry.objects.order_by("index").values_list("action", flat=True))


def test_registering_sets_the_populations_cap(dataset: Dataset) -> None:
    assert dataset.title == "Small"
    assert selectors.budget(dataset.population_id).cap == 2
    assert LedgerEntry.objects.get().kind == "CAP_SET"
    assert selectors.schema(dataset).text == declaration()


def test_a_declaration_without_a_privacy_unit_leaves_nothing_behind(owner: User) -> None:
    with pytest.raises(SchemaError, match="privacyUnit"):
        services.register_dataset(by=owner, declaration=declaration(privacyUnit=None))
    assert not Population.objects.exists()
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("cap", [{"rho": "3", "delta": "1e-6"}, {"rho": "2", "delta": "1e-7"}])
def test_a_second_declaration_never_moves_the_cap(dataset: Dataset, cap: dict[str, str]) -> None:
    with pytest.raises(DeclarationRefused, match="cap"):
        services.register_dataset(by=dataset.owner, declaration=declaration(cap=cap))
    assert Dataset.objects.count() == 1


def test_nobody_else_draws_on_a_population(dataset: Dataset) -> None:
    other = privacy_site.person("otto", "owner")
    with pytest.raises(DeclarationRefused, match="another data owner"):
        services.register_dataset(by=other, declaration=declaration())


def test_only_owners_register_and_only_the_owner_uploads(dataset: Dataset) -> None:
    for person in (privacy_site.person("rosa", "researcher"), privacy_site.person("otto", "owner")):
        with pytest.raises(PermissionDenied):
            upload(dataset, table(), by=person)
    with pytest.raises(PermissionDenied):
        services.register_dataset(by=privacy_site.person("stella", "steward"), declaration=declaration())


def test_an_accepted_file_is_sealed_and_only_the_vault_reads_it(dataset: Dataset) -> None:
    version = upload(dataset, table(100), name="secret name.csv")
    assert (version.number, version.rows_read, version.rows_kept) == (1, 100, 100)
    assert version.size_bytes == len(table(100))
    codes = vault.codes(version)
    assert codes.shape == (100, 3)
    assert codes[:4, 0].tolist() == [0, 1, 0, 1]
    assert selectors.is_ready(dataset)
    with places.sealed(version.pk).open("rb") as file, pytest.raises(SealBroken):
        list(sealing.opened(file, sealing.X25519PrivateKey.generate(), context=str(version.pk).encode()))


def test_the_log_learns_that_a_file_came_and_nothing_about_it(dataset: Dataset) -> None:
    upload(dataset, table(100), name=f"{CANARY}.csv")
    events.flush()
    entry = LogEntry.objects.get(action="privacy:upload:accepted")
    facts = json.loads(bytes(entry.leaf))["facts"]
    assert set(facts) == {"dataset", "version"}
    assert all(CANARY.encode() not in bytes(one.leaf) for one in LogEntry.objects.all())


def test_a_bad_file_is_told_to_the_uploader_and_logged_as_refused_alone(dataset: Dataset) -> None:
    content = f"sex,age,pay\nf,3,4\n{CANARY},3,4\nf,{CANARY},4\nf,3,{CANARY}\n".encode()
    assert refused(dataset, content) == [
        "column sex: a value is not among the declared ones (line 3)",
        "column age: a value is not a whole number from 0 to 99 (line 4)",
        "column pay: a value is not a number from 0 to 100 (line 5)",
    ]
    assert actions()[-1] == "privacy:upload:refused"
    facts = json.loads(bytes(LogEntry.objects.get(action="privacy:upload:refused").leaf))["facts"]
    assert facts == {"dataset": str(dataset.pk)}


def test_a_refused_file_leaves_no_trace_of_a_value_anywhere(
    dataset: Dataset, site: Path, caplog: Any, capfd: Any
) -> None:
    refused(dataset, f"sex,age,pay\n{CANARY},3,4\n".encode() * 3)
    told = caplog.text + "".join(capfd.readouterr())
    assert CANARY not in told
    files = [path for path in site.rglob("*") if path.is_file()]
    assert all(CANARY.encode() not in path.read_bytes() for path in files)
    for model in apps.get_models():
        stored = b"".join(as_bytes(value) for row in model._default_manager.values_list() for value in row)
        assert CANARY.encode() not in stored, model


def as_bytes(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "the file is empty"),
        (b"sex;age;pay\nf;3;4\n", "separated by a semicolon"),
        (b"sex,age\nf,3\n", "column pay: the column is missing"),
        (b"sex,age,pay\nf,3\n", "more or fewer cells"),
        (b"sex,age,pay\n\xff,3,4\n", "UTF-8"),
    ],
)
def test_the_reading_process_tells_what_is_wrong(dataset: Dataset, content: bytes, rule: str) -> None:
    assert rule in refused(dataset, content)[0]


def test_a_file_over_the_limit_is_refused_while_it_comes(dataset: Dataset, settings: Any) -> None:
    settings.LIMITS = settings.LIMITS | {"upload_bytes": 3 * 2**20}
    endless = b"sex,age,pay\n" + b"f,3,4\n" * 2**20
    assert refused(dataset, endless) == ["the file is larger than 3145728 bytes"]


def test_a_file_that_takes_too_long_is_given_up(dataset: Dataset, settings: Any) -> None:
    settings.LIMITS = settings.LIMITS | {"ingest_seconds": 1}
    assert refused(dataset, b"sex,age,pay\n" + b"f,3,4\n" * 10**7) == [inbox.STOPPED]


def test_a_file_that_needs_too_much_memory_is_given_up(dataset: Dataset, settings: Any) -> None:
    settings.LIMITS = settings.LIMITS | {"ingest_memory_bytes": 300 * 2**20, "cell_chars": 2**26}
    bomb = b'sex,age,pay\nf,3,"' + b"4" * (60 * 2**20) + b'"\n'
    assert refused(dataset, bomb) in ([inbox.STOPPED], ["the file needs more memory than one upload may use"])


def test_a_reader_that_crashes_is_not_quoted(dataset: Dataset) -> None:
    """The fingerprint's key is no key, which the reading process does not expect."""
    places.fingerprint_key().write_text(CANARY)
    assert refused(dataset, table()) == [inbox.STOPPED]


def test_without_the_vaults_public_key_nothing_is_read(dataset: Dataset) -> None:
    places.vault_public_key().unlink()
    with pytest.raises(SealBroken, match="make_vault_keys"):
        upload(dataset, table())


def test_the_same_file_again_is_the_same_version(dataset: Dataset) -> None:
    first = upload(dataset, table())
    assert upload(dataset, table()).pk == first.pk
    assert [path.stem for path in places.sealed("x").parent.glob("*")] == [str(first.pk)]
    second = upload(dataset, table(99))
    assert (second.number, dataset.versions.count()) == (2, 2)


def test_the_same_file_does_not_get_a_second_budget_elsewhere(dataset: Dataset) -> None:
    upload(dataset, table())
    other = services.register_dataset(by=dataset.owner, declaration=declaration(population="somebody else"))
    with pytest.raises(UploadRefused, match="registered under another population"):
        upload(other, table())
    assert not selectors.is_ready(other)


def test_an_upload_that_cannot_be_recorded_is_not_kept(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(services.events, "record", broken)
    with pytest.raises(RuntimeError):
        upload(dataset, table())
    assert not DatasetVersion.objects.exists()
    assert list(places.sealed("x").parent.glob("*")) == []


def test_units_are_bounded_before_anything_is_counted(owner: User) -> None:
    unit = {"kind": "identifier", "column": "who", "maxRows": 2, "nullIdentifiers": "own-unit", "means": "one person"}
    fields = [{"name": "who", "type": "integer"}, *privacy_site.FIELDS]
    lines = "".join(f"{who},f,{who},1\n" for who in (1, 1, 1, 1, 2, 2)) + ",m,,2\n" * 3
    found = privacy_site.dataset(owner, content=f"who,sex,age,pay\n{lines}".encode(), privacyUnit=unit, fields=fields)
    version = found.versions.get()
    assert (version.rows_read, version.rows_kept) == (9, 7)
    assert vault.codes(version)[:, 0].tolist() == [0, 0, 0, 0, 1, 1, 1]


SEES = [
    ("olivia", ("owner",), 1), ("otto", ("owner",), 0), ("stella", ("steward",), 1), ("amir", ("auditor",), 1),
    ("rosa", ("researcher",), 1), ("ada", ("admin",), 0), ("nobody", (), 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "roles", "seen"), SEES)
def test_who_sees_a_dataset(owner: User, name: str, roles: tuple[str, ...], seen: int) -> None:
    from privacy import policies

    found = privacy_site.dataset(owner)
    person = owner if name == "olivia" else privacy_site.person(name, *roles)
    assert selectors.datasets_for(person).count() == seen
    assert policies.may_view(person, found) == bool(seen)
    assert (selectors.visible_dataset(person, found.pk) is not None) == bool(seen)
    assert policies.sees_everything_of(person, found) == (bool(seen) and name != "rosa")


def test_researchers_see_a_dataset_once_it_can_be_asked_for(dataset: Dataset) -> None:
    rosa = privacy_site.person("rosa", "researcher")
    assert not selectors.datasets_for(rosa).exists()
    upload(dataset, table())
    upload(dataset, table(7))
    assert selectors.datasets_for(rosa).count() == 1


def test_labels_that_are_not_public_stay_inside(owner: User) -> None:
    fields = [privacy_site.FIELDS[0] | {"publicLabels": True}, *privacy_site.FIELDS[1:]]
    found = services.register_dataset(by=owner, declaration=declaration(fields=fields))
    assert selectors.public_facts(found) == [{"column": "sex", "labels": ["f", "m"]}]
    assert [each.name for each in selectors.dictionary(found, public_only=True)] == ["sex"]
    assert [each.size for each in selectors.dictionary(found)] == [2, 11, 3]
    columns = selectors.columns(found)
    assert [columns.is_public(name) for name in columns.names] == [True, False, False]
