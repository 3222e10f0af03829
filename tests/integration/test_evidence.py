"""Evidence packs: whole, signed, about one thing only, and refused when anything in them was touched."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from audit import bags, canonical, events, keys, notes, prompts, rendering, selection
from audit.findings import Unusable
from audit.leaves import Leaf
from audit.models import LogEntry, PromptRecord
from audit.notes import PrivateKey
from audit.selection import Scope
from llmsynthor_site.evidence.making import make
from tests import evidence_site, request_site
from tests.evidence_site import Two, closed_again, findings, pack_of
from tests.request_site import open_door

SMALL = Decimal("0.1")
ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def two() -> Iterator[Two]:
    with open_door():
        yield evidence_site.two_requests()


@pytest.fixture
def asked() -> Two:
    """One request, submitted and no more."""
    house = request_site.make()
    return Two(house, house.submitted(), house.submitted())


@dataclass(frozen=True)
class Kept:
    """A finished pack and the keys of the log it came from; the site that made it is gone."""

    content: bytes
    key: notes.PrivateKey

    @property
    def public(self) -> str:
        return str(self.key.public)


_KEPT: list[Kept] = []


@pytest.fixture
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """Made once for all tests that only check: a pack needs no site any more."""
    if not _KEPT:
        two: Two = request.getfixturevalue("two")
        made = make(Scope("request", str(two.ours.pk)), by="console", reason="r", target=tmp_path / "kept.zip")
        _KEPT.append(Kept(made.path.read_bytes(), keys.signing()))
    return _KEPT[0]


@pytest.fixture
def bag(kept: Kept, tmp_path: Path) -> Path:
    """The kept pack, unpacked."""
    (tmp_path / "pack.zip").write_bytes(kept.content)
    return bags.unpack(tmp_path / "pack.zip", tmp_path / "open")


def test_a_pack_holds_and_says_what_it_is_about(two: Two, tmp_path: Path) -> None:
    """The log inside verifies, the story is on the page, and every vote's document is there under its hash.

    Nothing of the other request but its entries is inside: its prompts, answers, tables, title and comments are
    looked for in every file, decoded bodies included. Control: a pack about the dataset holds both requests, and
    the same search finds them.
    """
    bag = pack_of(Scope("request", str(two.ours.pk)), tmp_path)
    assert findings(bag) == []
    assert findings(bag.parents[1] / "pack.zip") == []
    page = (bag / "data" / "index.html").read_text()
    run = str(two.ours.run.pk)
    assert PromptRecord.objects.filter(run=run).exists()
    for text in ("To teach.", "stella", "discrete gaussian", "seg-dpvalue", "You help to build", "quality.json"):
        assert text in page
    for vote in two.ours.votes.all():
        assert (bag / "data" / "approved" / f"{vote.content_hash}.json").is_file()
    receipt = json.loads((bag / "data" / "requests" / f"{two.ours.pk}.json").read_text())["receipts"][0]
    assert receipt["sha256"] in page
    made = LogEntry.objects.get(action="audit:evidence:made")
    assert json.loads(bytes(made.leaf))["facts"]["reason"] == "the yearly check"
    (tmp_path / "both").mkdir()
    both = pack_of(Scope("dataset", str(two.house.dataset.pk)), tmp_path / "both")
    assert findings(both) == []
    inside, control = (b"\n".join(everything(one)) for one in (bag, both))
    ours, other = (bodies_of(request) for request in (two.ours, two.other))
    secrets = [*other, b"Somebody else"]
    assert len(other) > 3
    assert all(secret in control for secret in [*ours, *secrets])
    assert [secret for secret in secrets if secret in inside] == []
    counts = json.loads((bag / "data" / "verification.json").read_text())["counts"]
    assert counts["bodies not included"] == len(other)
    assert counts["prompts not included, not replayable"] >= 1
    packs_of_periods(tmp_path)


def everything(bag: Path) -> Iterator[bytes]:
    yield from (path.read_bytes() for path in bag.rglob("*") if path.is_file())
    for line in (bag / "data" / "audit" / "bodies.jsonl").read_bytes().splitlines():
        yield notes.unb64(canonical.loads(line)["data"])


def bodies_of(request: Any) -> list[bytes]:
    """Prompts, maps, answers and the released tables of one request, as bytes."""
    records = PromptRecord.objects.filter(run=str(request.run.pk))
    kept = [prompts.load_body(record) for record in records] + [prompts.answer(one.intent_id) for one in records]
    tables = LogEntry.objects.get(action="privacy:release:measured", subject=f"release:{request.release_id}")
    told = json.loads(bytes(tables.leaf))["facts"]["tables"]
    maps = [rendering.to_map(prompts.load_prompt(record)) for record in records]
    return [*kept, *maps, prompts.bodies.opened(told["id"], expected=told["hash"])]


def test_every_flipped_byte_is_found(kept: Kept, bag: Path) -> None:
    """One bit in the first, a middle and the last byte of every file of the bag."""
    for path in sorted(path for path in bag.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for at in sorted({0, len(whole) // 2, len(whole) - 1} if whole else ()):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert findings(bag, kept.public), f"{path.relative_to(bag)} at {at}"
        path.write_bytes(whole)
    assert findings(bag, kept.public) == []


def add_file(bag: Path) -> None:
    (bag / "data" / "approved" / "more.json").write_text("{}")


def add_beside(bag: Path) -> None:
    (bag / "note.txt").write_text("trust me")


def lose_file(bag: Path) -> None:
    (bag / "data" / "ledger.json").unlink()


def lose_signature(bag: Path) -> None:
    (bag / "signature.note").unlink()


def link_file(bag: Path) -> None:
    shutil.copy(bag / "data" / "ledger.json", bag.parent / "ledger.json")
    (bag / "data" / "ledger.json").unlink()
    (bag / "data" / "ledger.json").symlink_to(bag.parent / "ledger.json")


@pytest.mark.parametrize("change", [add_file, add_beside, lose_file, lose_signature, link_file])
def test_missing_and_extra_files_are_found(kept: Kept, bag: Path, change: Callable[[Path], None]) -> None:
    change(bag)
    assert findings(bag, kept.public)


def test_another_key_does_not_hold(bag: Path) -> None:
    stranger = str(PrivateKey.make("llmsynthor/log-stranger").public)
    assert any(one.startswith("signature") for one in findings(bag, stranger))


# Whoever holds the log's own key can sign any bag. What they change must still agree with the log's entries.


def narrow_the_scope(data: Path, key: notes.PrivateKey) -> None:
    told = canonical.loads((data / "selection.json").read_bytes())
    told["entries"] = told["entries"][1:]
    (data / "selection.json").write_bytes(canonical.dumps(told))


def swap_a_document(data: Path, key: notes.PrivateKey) -> None:
    first = sorted((data / "approved").iterdir())[0]
    first.write_bytes(first.read_bytes().replace(b"To teach", b"To sell "))
    if b"To sell" not in first.read_bytes():
        first.write_bytes(first.read_bytes() + b" ")


def invent_a_document(data: Path, key: notes.PrivateKey) -> None:
    digest = hashlib.sha256(b"{}").hexdigest()
    (data / "approved" / f"{digest}.json").write_bytes(b"{}")


def hide_a_body(data: Path, key: notes.PrivateKey) -> None:
    """A body in scope is taken out, said to be left out on purpose, and the export signed again."""
    log = data / "audit"
    lines = (log / "bodies.jsonl").read_bytes().splitlines(keepends=True)
    hidden = canonical.dumps({"entry": 0, "id": canonical.loads(lines[0][:-1])["id"]})
    with (log / "withheld.jsonl").open("ab") as file:
        file.write(hidden + b"\n")
    (log / "bodies.jsonl").write_bytes(b"".join(lines[1:]))
    head = (log / "manifest.note").read_text().split("\n")[:4]
    listed = [path for path in sorted(log.rglob("*")) if path.is_file() and path.name != "manifest.note"]
    rows = [f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(log)}" for path in listed]
    (log / "manifest.note").write_bytes(notes.sign("\n".join([*head, *rows]) + "\n", key))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (hide_a_body, "is inside the scope and was left out"),
        (narrow_the_scope, "these are not the entries in its scope"),
        (swap_a_document, "another hash than its name"),
        (invent_a_document, "nobody submitted it or voted on it"),
    ],
)
def test_a_signed_lie_is_betrayed_by_the_log(kept: Kept, bag: Path, change: Any, told: str) -> None:
    change(bag / "data", kept.key)
    found = findings(closed_again(bag, kept.key), kept.public)
    assert any(told in one for one in found), found


def test_a_hostile_zip_is_unusable(bag: Path, tmp_path: Path) -> None:
    """Names that lead out, doubled names, two folders, cut files: told, and nothing is written elsewhere."""
    whole = (tmp_path / "pack.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    for number, names in enumerate((["../out/a"], ["/abs/a"], ["a/x", "b/y"], ["a/x", "a/x"], ["lonely"], [])):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as file:
            for name in names:
                file.writestr(name, "x")
    for path in sorted(tmp_path.glob("*.zip")):
        if path.name != "pack.zip":
            with pytest.raises(Unusable):
                bags.unpack(path, tmp_path / f"into-{path.stem}")
    assert not (tmp_path / "out").exists()


def test_others_tools_agree(bag: Path) -> None:
    """sha256sum and sha512sum read the manifests; with a changed file they say so."""
    sums = [["sha256sum", "-c", "--quiet", "manifest-sha256.txt"],
            ["sha512sum", "-c", "--quiet", "tagmanifest-sha512.txt"]]  # fmt: skip
    assert [subprocess.run(one, cwd=bag, check=False).returncode for one in sums] == [0, 0]
    (bag / "data" / "ledger.json").write_text("[]")
    assert subprocess.run(sums[0], cwd=bag, capture_output=True, check=False).returncode == 1


def test_the_crate_keeps_the_rules(bag: Path) -> None:
    """RO-Crate 1.2: descriptor, root, every file listed, no reference to nothing; and the profile's phases."""
    data = bag / "data"
    graph = {entity["@id"]: entity for entity in json.loads((data / "ro-crate-metadata.json").read_text())["@graph"]}
    assert graph["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    root = graph["./"]
    assert {"name", "description", "datePublished", "license", "sourceOrganization", "mainEntity"} <= root.keys()
    files = {path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()}
    parts = {part["@id"] for part in root["hasPart"]}
    assert parts == {name for name in files if not name.startswith(("workflow/", "ro-crate"))} | {"workflow/"}
    assert [name for name in references(list(graph.values())) if name not in graph and "://" not in name] == []
    actions = [graph[one["@id"]] for one in root["mentions"]]
    kinds = [one.get("additionalType", {}).get("@id", one["@type"]).rpartition("#")[2] for one in actions]
    expected = ["CreateAction", "SignOff", "SignOff", "SignOff", "DisclosureCheck", "DisclosureCheck"]
    assert kinds == [*expected, "CheckValue", "GenerateCheckValue"]
    run = actions[0]
    assert run["actionStatus"].endswith("CompletedActionStatus")
    assert run["startTime"] <= run["endTime"]
    assert graph[run["agent"]["@id"]]["name"] == "rosa"


def references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from references(each)
    elif isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
        for each in value.values():
            yield from references(each)


def test_it_is_checked_without_django_or_a_database(kept: Kept, bag: Path, tmp_path: Path) -> None:
    """As an outsider would, with the room's pure files alone in a folder of their own."""
    (tmp_path / "log.pub").write_text(kept.public)
    (tmp_path / "outside" / "audit").mkdir(parents=True)
    for path in (ROOT / "audit").glob("*.py"):
        if "django" not in path.read_text():
            shutil.copy(path, tmp_path / "outside" / "audit")
    options = [str(tmp_path / "pack.zip"), "--key", str(tmp_path / "log.pub"), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "audit.check_evidence", *options],
        cwd=tmp_path / "outside", env={"PATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "holds"


def test_the_command_says_what_is_wrong(asked: Two, tmp_path: Path) -> None:
    """Unknown things, drafts, wrong days, a file that is there: told by rule, and no file is left."""
    draft = asked.house.request(epsilon=SMALL)
    out = tmp_path / "x.zip"
    refused: list[dict[str, Any]] = [
        {}, {"request": "00000000-0000-0000-0000-000000000000"}, {"request": str(draft.pk)},
        {"request": "a", "dataset": "b"}, {"since": "2026-01-01"}, {"since": "1.1.2026", "until": "2026-01-02"},
        {"since": "2026-02-01", "until": "2026-01-01"},
    ]  # fmt: skip
    for options in refused:
        with pytest.raises(CommandError):
            call_command("make_evidence", out=out, reason="r", **options)
    assert not out.exists()
    client = Client()
    client.force_login(asked.house.amir, backend="llmsynthor_site.backends.RoleBackend")
    assert client.get(reverse("request-evidence", args=[draft.pk])).status_code == 404
    out.write_text("mine")
    with pytest.raises(CommandError, match="exists already"):
        call_command("make_evidence", out=out, reason="r", request=str(asked.ours.pk))
    assert out.read_text() == "mine"


def packs_of_periods(tmp_path: Path) -> None:
    """Today holds bodies; a day long ago holds none; both packs verify."""
    today = LogEntry.objects.latest("index").at.date().isoformat()
    for name, since, until in (("now", today, "2999-01-01"), ("then", "2001-01-01", "2001-01-02")):
        (tmp_path / name).mkdir()
        scope = Scope("period", since=f"{since}T00:00:00Z", until=f"{until}T23:59:59Z")
        bag = pack_of(scope, tmp_path / name)
        assert findings(bag) == []
        held = (bag / "data" / "audit" / "bodies.jsonl").read_bytes()
        assert bool(held) == (name == "now")


def test_a_broken_log_is_said_on_the_page(asked: Two, tmp_path: Path) -> None:
    """The pack is made all the same: it is evidence of that, too."""
    events.append(
        action="synthesis:download:served", by="user:rosa", subject="package:x",
        facts={"grant": "none", "user": "user:rosa", "sha256": "x"},
    )  # fmt: skip
    bag = pack_of(Scope("request", str(asked.ours.pk)), tmp_path)
    assert any("a download nobody granted" in one for one in findings(bag))
    assert "The log did NOT hold" in (bag / "data" / "index.html").read_text()


def test_a_request_that_reuses_a_release_is_not_tied_to_the_other() -> None:
    """Both packs hold the released tables; neither holds the other's prompts."""

    def leaf(index: int, action: str, subject: str, **facts: str) -> Leaf:
        return Leaf(index, "2026-01-01T00:00:00Z", str(index), action, "system", subject, facts)

    leaves = [
        leaf(0, "synthesis:request:created", "request:q1", request="q1", dataset="d"),
        leaf(1, "privacy:release:measured", "release:r", release="r", request="q1"),
        leaf(2, "privacy:release:reused", "release:r", release="r", request="q2"),
        leaf(3, "synthesis:run:started", "run:u1", request="q1", run="u1"),
        leaf(4, "audit:prompt:intent", "run:u1", run="u1", intent="i1"),
        leaf(5, "synthesis:run:started", "run:u2", request="q2", run="u2"),
        leaf(6, "audit:prompt:intent", "run:u2", run="u2", intent="i2"),
    ]
    assert selection.select(leaves, Scope("request", "q2")).entries == (1, 2, 5, 6)
    assert selection.select(leaves, Scope("request", "q1")).entries == (0, 1, 2, 3, 4)
    assert selection.select(leaves, Scope("dataset", "d")).entries == (0, 1, 2, 3, 4)


def pages(two: Two) -> dict[str, str]:
    return {
        "request": reverse("request-evidence", args=[two.ours.pk]),
        "dataset": reverse("dataset-evidence", args=[two.house.dataset.pk]),
        "period": reverse("period-evidence"),
    }


def test_only_auditors_make_one(asked: Two) -> None:
    """Owners, stewards, researchers and administrators may not: a pack holds every entry of the log."""
    people = {name: getattr(asked.house, name) for name in ("owner", "stella", "rosa", "ada", "amir")}
    given = {"reason": "why", "since": "2026-01-01", "until": "2999-01-01"}
    for name, user in people.items():
        client = Client()
        client.force_login(user, backend="llmsynthor_site.backends.RoleBackend")
        for address in pages(asked).values():
            expected = 200 if name == "amir" else 403
            assert client.get(address).status_code == expected, (name, address)
            assert client.post(address, given).status_code == expected, (name, address)
    assert LogEntry.objects.filter(action="audit:evidence:made", by="user:amir").count() == 3
    assert LogEntry.objects.filter(action="audit:evidence:made").count() == 3


def test_the_button_gives_a_pack_that_holds(asked: Two, tmp_path: Path) -> None:
    """GET makes nothing, a missing reason is asked for, a POST downloads; nothing is left in the site's folder."""
    client = Client()
    client.force_login(asked.house.amir, backend="llmsynthor_site.backends.RoleBackend")
    address = pages(asked)["request"]
    assert address in client.get(asked.ours.get_absolute_url()).content.decode()
    before = LogEntry.objects.count()
    client.get(address)
    assert client.post(address, {"reason": " "}).status_code == 422
    backwards = {"reason": "x", "since": "2026-02-01", "until": "2026-01-01"}
    assert client.post(pages(asked)["period"], backwards).status_code == 422
    assert LogEntry.objects.count() == before
    answer = client.post(address, {"reason": "a complaint"})
    (tmp_path / "got.zip").write_bytes(b"".join(answer.streaming_content))  # type: ignore[attr-defined]
    assert findings(tmp_path / "got.zip") == []
    assert not list(Path(settings.SITE_DIR).glob(".evidence-*"))
