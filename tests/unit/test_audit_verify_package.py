"""A package is the one that was signed, or the verifier says which file is not, with an exit code to match."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from audit import notes, statements, verify_package
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
