"""Reading an export as an outsider would: every file against the signed manifest, then strict decoding.

Pure: the standard library and the room's own pure files.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import canonical, notes
from audit.findings import Findings, Unusable
from audit.leaves import Leaf, LeafError

MANIFEST, ENTRIES, BODIES, KEY = "manifest.note", "entries.jsonl", "bodies.jsonl", "log.pub"
WITHHELD = "withheld.jsonl"
FORMAT = "llmsynthor-audit-export/1"
_LINE = re.compile(r"([0-9a-f]{64}) (\S+)")
_CHECKPOINT = re.compile(r"checkpoints/(\d{12})\.note")


@dataclass(frozen=True, slots=True)
class KeptBody:
    """One body of an export, with the salt its hash in the log is made with; empty when erased."""

    id: str
    kind: str
    erased: bool
    salt: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Archive:
    """The readable part of an export: lines and what they say, bodies by id, checkpoints by size.

    ``withheld``: bodies that the signed manifest names as left out on purpose.
    """

    lines: list[bytes]
    leaves: list[Leaf]
    bodies: dict[str, KeptBody]
    checkpoints: dict[int, notes.Checkpoint]
    final: notes.Checkpoint | None
    withheld: frozenset[str] = frozenset()


def read(folder: Path, key: notes.PublicKey, findings: Findings) -> Archive:
    """Read an export, noting everything that does not hold. Raises Unusable when it is not an export."""
    if not folder.is_dir():
        raise Unusable("there is no such export folder")
    if not (folder / MANIFEST).is_file() and not (folder / ENTRIES).is_file():
        raise Unusable("the folder holds neither a manifest nor entries")
    final = _check_manifest(folder, key, findings)
    lines = _lines(folder / ENTRIES, findings)
    return Archive(
        lines=lines,
        leaves=_leaves(lines, findings),
        bodies=_bodies(folder, findings),
        checkpoints=_checkpoints(folder, key, findings),
        final=final,
        withheld=_withheld(folder, findings),
    )


def _check_manifest(folder: Path, key: notes.PublicKey, findings: Findings) -> notes.Checkpoint | None:
    try:
        lines = notes.opened((folder / MANIFEST).read_bytes(), key).split("\n")[:-1]
        if lines[:1] != [FORMAT] or len(lines) < 4:
            raise notes.NoteError("not a manifest of this format")
        final = notes.Checkpoint.of_text("\n".join(lines[1:4]) + "\n", key)
        listed = [_LINE.fullmatch(line) for line in lines[4:]]
        if not all(listed):
            raise notes.NoteError("a line does not read: hash, path")
    except (notes.NoteError, OSError) as error:
        findings.broken("manifest", MANIFEST, str(error))
        return None
    _check_files(folder, {match[2]: match[1] for match in listed if match}, findings)
    return final


def _check_files(folder: Path, listed: dict[str, str], findings: Findings) -> None:
    present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    present.pop(MANIFEST, None)
    for name, path in sorted(present.items()):
        if path.is_symlink():
            findings.broken("files", name, "a link, where a file was written")
        elif path.is_file():
            findings.expect(name in listed, "files", name, "not listed in the manifest")
    for name, digest in sorted(listed.items()):
        if name not in present:
            findings.broken("files", name, "missing")
        elif present[name].is_file() and _digest(present[name]) != digest:
            findings.broken("files", name, "its bytes differ from those the manifest vouches for")
    findings.counts["files"] = len(listed)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lines(path: Path, findings: Findings) -> list[bytes]:
    try:
        data = path.read_bytes()
    except OSError:
        findings.broken("files", path.name, "cannot be read")
        return []
    if data and not data.endswith(b"\n"):
        findings.broken("files", path.name, "its last line is cut short")
    return data.split(b"\n")[:-1]


def _leaves(lines: list[bytes], findings: Findings) -> list[Leaf]:
    leaves = []
    for number, line in enumerate(lines):
        try:
            leaves.append(Leaf.from_bytes(line))
        except LeafError as error:
            findings.broken("entries", f"line {number}", str(error))
    return leaves


def _bodies(folder: Path, findings: Findings) -> dict[str, KeptBody]:
    bodies: dict[str, KeptBody] = {}
    for number, line in enumerate(_lines(folder / BODIES, findings)):
        try:
            body = _body(canonical.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            findings.broken("bodies", f"line {number}", f"malformed: {type(error).__name__}")
            continue
        findings.expect(body.id not in bodies, "bodies", body.id, "occurs twice")
        bodies[body.id] = body
    return bodies


def _withheld(folder: Path, findings: Findings) -> frozenset[str]:
    names: set[str] = set()
    for number, line in enumerate(_lines(folder / WITHHELD, findings) if (folder / WITHHELD).exists() else ()):
        try:
            found = canonical.loads(line)
            if set(found) != {"entry", "id"} or not isinstance(found["id"], str):
                raise ValueError("not a body held back")
        except (ValueError, TypeError) as error:
            findings.broken("bodies", f"line {number} of {WITHHELD}", f"malformed: {type(error).__name__}")
            continue
        names.add(found["id"])
    return frozenset(names)


def _body(found: dict[str, Any]) -> KeptBody:
    if set(found) != {"id", "kind", "erased", "salt", "data"} or type(found["erased"]) is not bool:
        raise ValueError("not a body of this version")
    return KeptBody(
        str(found["id"]), str(found["kind"]), found["erased"],
        bytes.fromhex(found["salt"]), notes.unb64(found["data"]),
    )  # fmt: skip


def _checkpoints(folder: Path, key: notes.PublicKey, findings: Findings) -> dict[int, notes.Checkpoint]:
    checkpoints = {}
    for path in sorted((folder / "checkpoints").glob("*")):
        name = path.relative_to(folder).as_posix()
        match = _CHECKPOINT.fullmatch(name)
        try:
            found = notes.Checkpoint.opened(path.read_bytes(), key)
        except (notes.NoteError, OSError) as error:
            findings.broken("checkpoints", name, str(error))
            continue
        if findings.expect(bool(match and int(match[1]) == found.size), "checkpoints", name, "wrong size"):
            checkpoints[found.size] = found
    return checkpoints
