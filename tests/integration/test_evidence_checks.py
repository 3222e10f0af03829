"""Checking evidence packs: whatever was touched, left out, added or made up is told, without the site."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit import bags, canonical, keys, notes
from audit.findings import Unusable
from audit.notes import PrivateKey
from audit.selection import Scope
from llmsynthor_site.evidence.making import make
from tests import evidence_site
from tests.evidence_site import Two, closed_again, findings
from tests.request_site import open_door

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def two() -> Iterator[Two]:
    with open_door():
        yield evidence_site.two_requests()


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


# Whoever holds the log's own key can sign any bag. What they change must still agree with the log's entries.


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


@pytest.mark.filterwarnings("ignore:Duplicate name")
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


def test_others_tools_agree(kept: Kept, bag: Path, tmp_path: Path) -> None:
    """sha256sum and sha512sum read the manifests, openssl the signature; with a changed file they say so."""
    sums = [["sha256sum", "-c", "--quiet", "manifest-sha256.txt"],
            ["sha512sum", "-c", "--quiet", "tagmanifest-sha512.txt"]]  # fmt: skip
    assert [subprocess.run(one, cwd=bag, check=False).returncode for one in sums] == [0, 0]
    (bag / "data" / "ledger.json").write_text("[]")
    assert subprocess.run(sums[0], cwd=bag, capture_output=True, check=False).returncode == 1
    (bag / "log.pub").write_text(f"{kept.public}\n")
    by_hand = re.search(r"```\n(tail -n 1.*?)```", (ROOT / "docs" / "evidence.md").read_text(), re.DOTALL)
    assert by_hand is not None
    shell = ["sh", "-ec", by_hand[1]]
    assert b"Verified Successfully" in subprocess.run(shell, cwd=bag, capture_output=True, check=True).stdout
    with (bag / "tagmanifest-sha512.txt").open("a") as file:
        file.write(" ")
    assert subprocess.run(shell, cwd=bag, capture_output=True, check=False).returncode == 1


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


def test_a_reader_who_leaves_early_is_no_error(kept: Kept, bag: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "audit.check_evidence", str(tmp_path / "pack.zip"), "--key", kept.public]
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(command, cwd=ROOT, stdout=gone, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
