"""A package is the one that was signed, or the verifier says which file is not, with an exit code to match."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from audit import notes, rotations, statements, verify_package
from synthesis import packaging
from tests.unit.test_packaging import KEY, write

PUB = str(KEY.public)
OTHER = str(notes.PrivateKey.make("llmsynthor/log-other").public)
NAMESAKE = str(notes.PrivateKey.make(KEY.name).public)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    write(tmp_path / "package", pd.DataFrame({"x": [1, 2, 3], "kind": ["=1", "b", None]}))
    return tmp_path / "package"


def test_a_whole_package_holds(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_package.main([str(package), "--key", PUB]) == 0
    assert "13 files" in capsys.readouterr().out


@pytest.mark.parametrize("key", [OTHER, NAMESAKE], ids=["other", "namesake"])
def test_another_key_does_not_vouch_for_it(package: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_package.main([str(package), "--key", key]) == 1
    assert "signature" in capsys.readouterr().out


@pytest.fixture
def hand_overs(tmp_path: Path) -> tuple[Path, list[notes.PrivateKey]]:
    """The statements by which the key that signed the package handed over to a second, and that to a third."""
    chain = [KEY, notes.PrivateKey.make(KEY.name), notes.PrivateKey.make(KEY.name)]
    folder = tmp_path / "log-rotations"
    folder.mkdir()
    for number, (old, new) in enumerate(pairwise(chain), 1):
        (folder / f"{number:04d}.note").write_bytes(rotations.signed(old, new))
    return folder, chain


def test_a_package_of_an_earlier_key_holds_by_the_hand_overs_to_the_key_that_one_trusts(
    package: Path, hand_overs: tuple[Path, list[notes.PrivateKey]]
) -> None:
    folder, chain = hand_overs
    for trusted in chain:
        assert verify_package.main([str(package), "--key", str(trusted.public), "--rotations", str(folder)]) == 0
    assert verify_package.main([str(package), "--key", str(chain[2].public)]) == 1
    changed_by_one_bit(package / "data.csv")
    assert verify_package.main([str(package), "--key", str(chain[2].public), "--rotations", str(folder)]) == 1


def test_hand_overs_that_are_forged_broken_or_of_another_key_vouch_for_nothing(
    package: Path, hand_overs: tuple[Path, list[notes.PrivateKey]]
) -> None:
    folder, chain = hand_overs
    asked = [str(package), "--rotations", str(folder), "--key"]
    assert verify_package.main([*asked, NAMESAKE]) == 2
    thief = notes.PrivateKey.make(KEY.name)  # holds none of the keys: signs for both sides itself
    text = rotations.Rotation(chain[2].public, thief.public).text()
    line = notes.signature_line(KEY.name, thief.public.id, thief.sign(text.encode()))
    (folder / "0003.note").write_bytes(notes.sign(text, thief) + line.encode())
    assert verify_package.main([*asked, str(thief.public)]) == 2
    (folder / "0003.note").unlink()
    (folder / "0001.note").unlink()  # the statements no longer tie the key that signed to the one that is trusted
    assert verify_package.main([*asked, str(chain[2].public)]) == 1


@pytest.mark.long_sizes
def test_a_package_of_any_size_is_checked_in_little_memory(tmp_path: Path, is_long: bool) -> None:
    """The table is read in pieces: 2 GB of it take no more memory than 64 MB."""
    folder, size = tmp_path / "package", 2 * 2**30 if is_long else 64 * 2**20
    folder.mkdir()
    with (folder / "data.csv").open("wb") as file:
        file.truncate(size)
    packaging.sign(folder, {"title": "Large"}, KEY)
    tracemalloc.start()
    found = verify_package.verify(folder, KEY.public)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.found == []
    assert most < 4 * 2**20
    with (folder / "data.csv").open("r+b") as file:
        file.seek(size - 1)
        file.write(b"x")
    assert [one.place for one in verify_package.verify(folder, KEY.public).found] == ["data.csv"]


def changed_by_one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def linked(path: Path) -> None:
    path.rename(path.parent.parent / path.name)
    path.symlink_to(path.parent.parent / path.name)


NAMES = [
    "data.csv", "data.parquet", "quality.json", "README.md", "guarantee.txt", "VERIFY.txt", "sha256sums.txt",
    "manifest.json", "datapackage.json", "croissant.json", "prov.json",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("harm", [changed_by_one_bit, Path.unlink])
def test_a_changed_or_missing_file_is_named(
    package: Path, name: str, harm: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    harm(package / name)
    assert verify_package.main([str(package), "--key", PUB, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["place"] for one in told["findings"]] == [name]


def test_a_file_replaced_by_a_link_to_the_same_bytes_is_named(package: Path) -> None:
    linked(package / "data.csv")
    found = verify_package.verify(package, KEY.public).found
    assert [one.place for one in found] == ["data.csv"]


@pytest.mark.parametrize("name", ["extra.txt", "sub/data.csv", ".hidden"])
def test_an_extra_file_is_named(package: Path, name: str) -> None:
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text("")
    found = verify_package.verify(package, KEY.public).found
    assert [(one.check, one.place) for one in found] == [("files", name)]


def test_a_manifest_that_says_less_privacy_loss_is_noticed(package: Path) -> None:
    told = json.loads((package / "manifest.json").read_text())
    told["privacy"]["epsilon"] = "0.1"
    (package / "manifest.json").write_text(json.dumps(told))
    found = verify_package.verify(package, KEY.public).found
    assert [(one.check, one.place) for one in found] == [("manifest", "manifest.json")]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "{", '{"payload": 1, "payloadType": 2, "signatures": []}', "[" * 9999]
)
def test_a_malformed_envelope_is_a_finding(package: Path, text: str) -> None:
    (package / "attestation.json").write_text(text)
    assert verify_package.main([str(package), "--key", PUB]) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": [1]}'])
def test_a_malformed_manifest_is_a_finding(package: Path, text: str) -> None:
    (package / "manifest.json").write_text(text)
    assert verify_package.main([str(package), "--key", PUB]) == 1


def test_what_is_no_package_or_no_key_cannot_be_checked(package: Path, tmp_path: Path) -> None:
    assert verify_package.main([str(tmp_path / "nowhere"), "--key", PUB]) == 2
    assert verify_package.main([str(package), "--key", "nonsense"]) == 2
    (package / "attestation.json").unlink()
    assert verify_package.main([str(package), "--key", PUB]) == 2


def test_a_checkpoint_s_signature_does_not_pass_for_a_package_s() -> None:
    manifest = {"files": [{"name": "data.csv", "sha256": "0" * 64}]}
    envelope = json.loads(statements.sealed(manifest, KEY))
    payload = notes.unb64(envelope["payload"])
    envelope["signatures"][0]["sig"] = notes.b64(KEY.sign(payload))  # over the bare payload
    with pytest.raises(notes.NoteError, match="does not hold"):
        statements.opened(json.dumps(envelope).encode(), KEY.public)
    assert statements.opened(statements.sealed(manifest, KEY), KEY.public) == manifest


def commands(package: Path) -> str:
    """The commands of VERIFY.txt as a person would paste them, indentation taken away."""
    lines = (package / "VERIFY.txt").read_text().splitlines()
    pasted = [line[4:] for line in lines if line.startswith("    ")]
    return "set -e\n" + "\n".join(line for line in pasted if "llmsynthor" not in line)


def run_commands(package: Path) -> subprocess.CompletedProcess[str]:
    text = commands(package)
    assert re.findall(r"^(sha256sum|python3|openssl)", text, re.M) == ["sha256sum", "python3", "openssl", "sha256sum"]
    return subprocess.run(["bash", "-c", text], cwd=package, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not all(map(shutil.which, ("openssl", "sha256sum", "bash"))), reason="openssl is not here")
def test_the_instructions_work_as_they_stand(package: Path) -> None:
    (package / "site.pub").write_text(f"{PUB}\n")
    good = run_commands(package)
    assert good.returncode == 0, good.stderr
    assert "Signature Verified Successfully" in good.stdout
    assert "data.parquet: OK" in good.stdout
    (package / "site.pub").write_text(f"{OTHER}\n")
    assert run_commands(package).returncode != 0
    (package / "site.pub").write_text(f"{PUB}\n")
    changed_by_one_bit(package / "data.csv")
    assert "data.csv: FAILED" in run_commands(package).stdout
