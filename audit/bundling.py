"""A verifier as one file: its own modules and nothing else, the same bytes every time."""

from __future__ import annotations

import ast
import hashlib
import io
import zipfile
from pathlib import Path

ROOM = Path(__file__).resolve().parent
ENTRY, OF_PACKAGES = "verify", "verify_package"
"""The modules that check an export of the log and a package; each has a ``main`` that gives the exit code."""
MAIN = "import sys\n\nfrom audit.{} import main\n\nsys.exit(main())\n"
SHEBANG = b"#!/usr/bin/env python3\n"
_MOMENT = (1980, 1, 1, 0, 0, 0)


def modules(entry: str = ENTRY) -> dict[str, bytes]:
    """Every module of this room that a verifier imports, itself included: file name to its source."""
    found: dict[str, bytes] = {"__init__.py": (ROOM / "__init__.py").read_bytes()}
    waiting = [entry]
    while waiting:
        name = f"{waiting.pop()}.py"
        if name not in found:
            found[name] = (ROOM / name).read_bytes()
            waiting += sorted(_imported(found[name]))
    return dict(sorted(found.items()))


def bundle(entry: str = ENTRY) -> bytes:
    """A zip archive that Python runs: ``python FILE FOLDER --key PUB``, with `cryptography` beside it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name, source in {
            "__main__.py": MAIN.format(entry).encode(),
            **{f"audit/{name}": text for name, text in modules(entry).items()},
        }.items():
            file.writestr(zipfile.ZipInfo(name, _MOMENT), source)
    return SHEBANG + archive.getvalue()


def write(path: Path, entry: str = ENTRY) -> str:
    """Write the bundle, replacing an earlier one; its SHA-256."""
    data = bundle(entry)
    path.write_bytes(data)
    path.chmod(0o755)
    return hashlib.sha256(data).hexdigest()


def _imported(source: bytes) -> set[str]:
    """The modules of this room that a source imports, anywhere in it."""
    names = set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "audit":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("audit."):
            names.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("audit.")}
    return names
