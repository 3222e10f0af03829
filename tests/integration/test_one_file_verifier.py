"""The verifier as one file: the repository's own code, run by a Python that has only `cryptography`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from audit import bundling, verify
from tests.audit_story import PUB, whole
from tests.unit.test_packaging import KEY, write

ROOM = Path(verify.__file__).parent
NEEDED = ("cryptography", "cffi", "pycparser")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new virtual environment that holds `cryptography` and what it needs itself."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    here, there = Path(sysconfig.get_paths()["purelib"]), next(folder.glob("lib/python*/site-packages"))
    for name in NEEDED:
        if (here / name).is_dir():
            shutil.copytree(here / name, there / name, ignore=shutil.ignore_patterns("__pycache__"))
    for library in here.glob("_cffi_backend*"):
        shutil.copy(library, there)
    return folder / "bin" / "python"


@pytest.fixture
def verifier(tmp_path: Path) -> Path:
    call_command("build_verifier", "--out", str(tmp_path / "llmsynthor-verify.pyz"))
    return tmp_path / "llmsynthor-verify.pyz"


def run(python: Path, *arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-I", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_it_runs_in_a_bare_environment_and_exits_0_1_2(bare: Path, verifier: Path, tmp_path: Path) -> None:
    export = whole().write(tmp_path / "export")
    without = run(bare, "-c", "import django", folder=tmp_path)
    assert "No module named 'django'" in without.stderr
    good = run(bare, verifier, export, "--key", PUB, "--json", folder=tmp_path)
    assert (good.returncode, good.stderr) == (0, "")
    told: dict[str, Any] = json.loads(good.stdout)
    assert told["counts"] == verify.verify(export, key=PUB).counts
    (export / "bodies.jsonl").write_text("")
    assert run(bare, verifier, export, "--key", PUB, folder=tmp_path).returncode == 1
    assert run(bare, verifier, tmp_path / "nowhere", "--key", PUB, folder=tmp_path).returncode == 2


def test_its_code_is_the_repositorys_and_it_is_built_the_same_each_time(verifier: Path) -> None:
    with zipfile.ZipFile(verifier) as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    assert inside.pop("__main__.py") == bundling.MAIN.format(bundling.ENTRY).encode()
    assert inside == {
        f"audit/{path.name}": path.read_bytes() for path in ROOM.glob("*.py") if path.name in names(inside)
    }
    assert {"__init__.py", "verify.py", "archive.py", "rendering.py", "verify_gates.py"} <= names(inside)
    assert not {"models.py", "log.py", "export.py", "views.py"} & names(inside)
    assert verifier.read_bytes() == bundling.bundle()


def names(inside: dict[str, bytes]) -> set[str]:
    return {Path(name).name for name in inside}


def test_a_module_that_is_left_out_would_be_noticed(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export, honest = whole().write(tmp_path / "export"), bundling.modules()
    monkeypatch.setattr(bundling, "modules", lambda _: {n: t for n, t in honest.items() if n != "verify_gates.py"})
    bundling.write(tmp_path / "short.pyz")
    ended = run(bare, tmp_path / "short.pyz", export, "--key", PUB, folder=tmp_path)
    assert ended.returncode != 0
    assert "verify_gates" in ended.stderr


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("build_verifier", "--out", str(tmp_path / "no" / "such" / "folder.pyz"))


def test_the_one_for_packages_runs_in_a_bare_environment(bare: Path, tmp_path: Path) -> None:
    verifier, package, key = tmp_path / "verify-package.pyz", tmp_path / "package", tmp_path / "site.pub"
    call_command("build_verifier", "--package", "--out", str(verifier))
    write(package, pd.DataFrame({"x": [1, 2, 3]}))
    key.write_text(f"{KEY.public}\n")
    good = run(bare, verifier, package, "--key", key, folder=tmp_path)
    assert (good.returncode, good.stderr) == (0, "")
    (package / "data.csv").write_text("x\n1\n")
    changed = run(bare, verifier, package, "--key", key, folder=tmp_path)
    assert (changed.returncode, "data.csv" in changed.stdout) == (1, True)
    assert run(bare, verifier, tmp_path / "nowhere", "--key", key, folder=tmp_path).returncode == 2
