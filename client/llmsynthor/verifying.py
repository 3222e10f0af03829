"""Checking a downloaded package offline: every file against the manifest, the signature by the site's verifier.

The signature needs the site's public key, from its owner and by another way than the package, and the verifier the
site hands out as one file (``manage.py build_verifier --package``). Without them it is said that it was not checked.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

MANIFEST = "manifest.json"


@dataclass
class Verdict:
    """What did not hold; ``signed``: whether the signature was checked, and what the verifier said."""

    problems: list[str] = field(default_factory=list)
    files: int = 0
    signed: bool = False
    told: str = ""

    @property
    def holds(self) -> bool:
        return not self.problems


def verify(folder: Path, *, key: Path | None = None, verifier: Path | None = None) -> Verdict:
    """Everything that does not hold of the package in this folder. Reads nothing but these files."""
    found = Verdict()
    try:
        listed = json.loads((folder / MANIFEST).read_bytes())["files"]
        expected = {str(one["name"]): str(one["sha256"]) for one in listed}
    except (OSError, ValueError, KeyError, TypeError):
        found.problems.append(f"{MANIFEST} is missing, or is none")
        return found
    for name, sha256 in expected.items():
        found.files += 1
        _check_file(folder / name, name, sha256, found)
    for path in sorted(folder.iterdir()):
        if path.name not in expected and path.name != MANIFEST:
            found.problems.append(f"{path.name} is no part of the package")
    if key and verifier:
        _check_signature(folder, key, verifier, found)
    return found


def _check_file(path: Path, name: str, sha256: str, found: Verdict) -> None:
    if Path(name).name != name:
        found.problems.append(f"{MANIFEST} names a file with a path")
    elif not path.is_file():
        found.problems.append(f"{name} is missing")
    elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        found.problems.append(f"{name} is not the file the manifest names")


def _check_signature(folder: Path, key: Path, verifier: Path, found: Verdict) -> None:
    command = [sys.executable, str(verifier), str(folder), "--key", str(key)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found.signed, found.told = done.returncode in (0, 1), (done.stdout + done.stderr).strip()
    if done.returncode == 1:
        found.problems.append("the signature, or what it covers, does not hold")
    elif done.returncode:
        found.problems.append("the signature could not be checked")
