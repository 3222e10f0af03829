"""The import contracts hold, and each of them can fail: a planted import breaks exactly it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("llmsynthor_site", "synthesis", "privacy", "audit")

# What is planted where, and the contract that must notice.
MUTATIONS = [
    ("audit/log.py", "import privacy.values", "Data goes down"),
    ("privacy/selectors.py", "import synthesis.states", "Data goes down"),
    ("synthesis/loop/settings.py", "import django.utils.timezone", "The pure cores"),
    ("privacy/plans.py", "import django.conf", "The pure cores"),
    ("synthesis/loop/settings.py", "import subprocess", "The loop and the model of members have no network"),
    ("synthesis/members/settings.py", "import opendp", "The loop and the model of members have no network"),
    ("synthesis/members/settings.py", "import synthesis.members.model", "Inside the room of members"),
    ("synthesis/views/common.py", "import privacy.vault", "Web code and synthesis never reach"),
    ("privacy/selectors.py", "import privacy.dp.execution", "Web code and synthesis never reach"),
    ("synthesis/services.py", "import privacy.models", "Synthesis knows the privacy room"),
    ("privacy/measuring.py", "import opendp", "OpenDP is imported in one file"),
    ("synthesis/running.py", "import openai", "The openai package is imported in one file"),
    ("synthesis/gateway.py", "import synthesis.llm.openai_provider", "Providers are used by the door alone"),
    ("privacy/services.py", "import privacy.vault", "The vault is opened by the measuring code alone"),
    ("llmsynthor_site/tasks.py", "import privacy.measuring", "Measuring is joined to the loop in one place"),
    ("synthesis/handing.py", "import privacy.disclosing", "Web code and synthesis never reach"),
    ("llmsynthor_site/returning.py", "import privacy.disclosing", "Measuring is joined to the loop in one place"),
    ("privacy/models.py", "import privacy.selectors", "Inside the privacy room"),
    ("synthesis/states.py", "import synthesis.models", "Inside the synthesis room"),
    ("audit/merkle.py", "import audit.log", "Inside the audit room"),
    ("llmsynthor_site/roles.py", "import llmsynthor_site.models", "Inside the site"),
    ("llmsynthor_site/roles.py", "import llmsynthor", "The server knows nothing of its client"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    wide = {**os.environ, "COLUMNS": "200"}  # a contract's name and its verdict on one line
    return subprocess.run(command, cwd=folder, env=wide, capture_output=True, text=True, check=False)


def copy_of_the_house(folder: Path) -> Path:
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


def broken_contracts(output: str) -> list[str]:
    return [line for line in output.splitlines() if "BROKEN" in line]


def test_every_contract_holds() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("file", "planted", "contract"), MUTATIONS, ids=[f"{f}-{c[:24]}" for f, _, c in MUTATIONS])
def test_a_planted_import_breaks_its_contract(tmp_path: Path, file: str, planted: str, contract: str) -> None:
    house = copy_of_the_house(tmp_path)
    target = house / file
    target.write_text(target.read_text() + f"\n{planted}\n")
    result = lint(house)
    assert result.returncode != 0
    assert any(line.startswith(contract) for line in broken_contracts(result.stdout)), result.stdout


def test_a_file_without_a_place_is_refused(tmp_path: Path) -> None:
    house = copy_of_the_house(tmp_path)
    (house / "synthesis" / "misc.py").write_text('"""A file nobody placed."""\n')
    result = lint(house)
    assert result.returncode != 0
    assert any(line.startswith("Inside the synthesis room") for line in broken_contracts(result.stdout))


CLIENT = [("import audit.canonical", "The client knows nothing of the server"), ("import llmsynthor.api", "Inside the")]


@pytest.mark.parametrize(("planted", "contract"), CLIENT)
def test_an_import_planted_in_the_client_breaks_its_contract(tmp_path: Path, planted: str, contract: str) -> None:
    house = shutil.copytree(ROOT / "client", tmp_path / "client", ignore=shutil.ignore_patterns("__pycache__"))
    assert lint(house).returncode == 0
    target = house / "llmsynthor" / "login.py"
    target.write_text(target.read_text() + f"\n{planted}\n")
    assert any(line.startswith(contract) for line in broken_contracts(lint(house).stdout))
