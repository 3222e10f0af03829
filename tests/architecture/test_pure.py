"""The pure cores import in an interpreter that has no Django at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = [
    "privacy.values",
    "privacy.schema",
    "privacy.accounting",
    "privacy.codebook",
    "privacy.planning",
    "privacy.dp.execution",
    "privacy.plans",
    "synthesis.loop",
    "synthesis.members",
    "synthesis.llm.embedded",
    "synthesis.llm.answers",
    "synthesis.llm.openai_provider",
    "synthesis.prompts",
    "synthesis.comparing",
    "synthesis.environment",
    "audit.bundling",
    "audit.segments",
    "audit.rendering",
    "audit.comparing",
    "audit.sheets",
    "audit.merkle",
    "audit.notes",
    "audit.workflow",
    "audit.verify",
    "audit.witness",
]
BLOCK = """
import importlib, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("django", "celery", "rest_framework"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
importlib.import_module(sys.argv[1])
"""


@pytest.mark.parametrize("module", PURE)
def test_imports_without_django(module: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", BLOCK, module], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_block_works() -> None:
    command = [sys.executable, "-c", BLOCK, "synthesis.models"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode != 0
