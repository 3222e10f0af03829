"""Reading an export as an outsider would: every file against the signed manifest, then strict decoding.

Pure: the standard library and the room's own pure files.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import canonical, notes, rotations
from audit.findings import Findings, Unusable
from audit.leaves import Leaf, LeafError

MANIFEST, ENTRIES, BODIES, KEY = "manifest.note", "entries.jsonl", "bodies.jsonl", "log.pub"
WITHHELD = "withheld.jsonl"
KEYS, STAMPS, TILES = "keys", "timestamps", "tlog"
FORMAT = "llmsynthor-audit-export/1"
_LINE = re.compile(r"([0-9a-f]{64}) (\S+)")
_CHECKPOINT = re.compile(r"checkpoints/(\d{12})\.note")
_STAMP = re.compile(rf"{STAMPS}/([a-z0-9-]+)/(\d{{12}})\.tsr")


@dataclass(frozen=True, slots=True)
class KeptBody:
    """One body of an export, with the salt its hash in the log is made with; empty when erased."""

    id: str
    kind: str
    erased: bool
    salt: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Stamp:
    """A timestamp of the checkpoint of one size, as an authority gave it."""

    witness: str
    size: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Archive:
    """The readable part of an export: lines and what they say, bodies by id, checkpoints by size.

    ``withheld``: bodies that the signed manifest names as left out on purpose.
    ``keys``: all that signed for this log, oldest first; ``signer``: whose manifest it is; ``signatures``: what
    stands under each checkpoint, unchecked.
    """

    lines: list[bytes]
    leaves: list[Leaf]
    bodies: dict[str, KeptBody]
    checkpoints: dict[int, notes.Checkpoint]
    final: notes.Checkpoint | None
    keys: list[notes.PublicKey]
    signer: notes.PublicKey | None
    signatures: dict[int, notes.Signatures]
    stamps: list[Stamp]
    withheld: frozenset[str] = frozenset()


def read(folder: Path, key: notes.PublicKey, findings: Findings) -> Archive:
    """Read an export, noting everything that does not hold. Raises Unusable when it is not an export."""
    if not folder.is_dir():
        raise Unusable("there is no such export folder")
    if not (folder / MANIFEST).is_file() and not (folder / ENTRIES).is_file():
        raise Unusable("the folder holds neither a manifest nor entries")
    keys = chain(folder, key)
    findings.expect(key in keys, "keys", KEYS, "the key that was given is none of those the statements name")
    final, signer = _check_manifest(folder, keys, findings)
    lines = _lines(folder / ENTRIES, findings)
    checkpoints = _checkpoints(folder, keys, findings)
    return Archive(
        lines=lines,
        leaves=_leaves(lines, findings),
        bodies=_bodies(folder, findings),
        checkpoints={size: found for size, (found, _) in checkpoints.items()},
        final=final,
        withheld=_withheld(folder, findings),
        keys=keys,
        signer=signer,
        signatures={size: signatures for size, (_, signatures) in checkpoints.items()},
        stamps=_stamps(folder, findings),
    )


def chain(folder: Path, held: notes.PublicKey) -> list[notes.PublicKey]:
    """Every key of the log, oldest first, by the statements of this export; Unusable when one does not hold."""
    try:
        return rotations.chain(path.read_bytes() for path in sorted((folder / KEYS).glob("*.note"))) or [held]
    except (notes.NoteError, OSError) as error:
        raise Unusable(f"the hand-overs of the signing key do not hold: {error}") from error


def _check_manifest(
    folder: Path, keys: list[notes.PublicKey], findings: Findings
) -> tuple[notes.Checkpoint | None, notes.PublicKey | None]:
    try:
        text, key = rotations.opened_by((folder / MANIFEST).read_bytes(), keys)
        lines = text.split("\n")[:-1]
        if lines[:1] != [FORMAT] or len(lines) < 4:
            raise notes.NoteError("not a manifest of this format")
        final = notes.Checkpoint.of_text("\n".join(lines[1:4]) + "\n", key)
        listed = [_LINE.fullmatch(line) for line in lines[4:]]
        if not all(listed):
            raise notes.NoteError("a line does not read: hash, path")
    except OSError:
        findings.broken("manifest", MANIFEST, "missing, or cannot be read")
        return None, None
    except notes.NoteError as error:
        findings.broken("manifest", MANIFEST, str(error))
        return None, None
    _check_files(folder, {match[2]: match[1] for match in listed if match}, findings)
    return final, key


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
    for number, line in enumerate(lines, 1):
        try:
            leaves.append(Leaf.from_bytes(line))
        except LeafError as error:
            findings.broken("entries", f"line {number}", str(error))
    return leaves


def _bodies(folder: Path, findings: Findings) -> dict[str, KeptBody]:
    bodies: dict[str, KeptBody] = {}
    for number, line in enumerate(_lines(folder / BODIES, findings), 1):
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
    for number, line in enumerate(_lines(folder / WITHHELD, findings) if (folder / WITHHELD).exists() else (), 1):
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


def _checkpoints(
    folder: Path, keys: list[notes.PublicKey], findings: Findings
) -> dict[int, tuple[notes.Checkpoint, notes.Signatures]]:
    checkpoints = {}
    for path in sorted((folder / "checkpoints").glob("*")):
        name = path.relative_to(folder).as_posix()
        match = _CHECKPOINT.fullmatch(name)
        try:
            found = rotations.checkpoint(path.read_bytes(), keys)
            signatures = notes.parts(path.read_bytes())[1]
        except (notes.NoteError, OSError) as error:
            findings.broken("checkpoints", name, str(error))
            continue
        if findings.expect(bool(match and int(match[1]) == found.size), "checkpoints", name, "wrong size"):
            checkpoints[found.size] = found, signatures
    return checkpoints


def _stamps(folder: Path, findings: Findings) -> list[Stamp]:
    stamps = []
    for path in sorted((folder / STAMPS).glob("*/*")):
        name = path.relative_to(folder).as_posix()
        match = _STAMP.fullmatch(name)
        if match is None:
            findings.broken("timestamps", name, "not named by witness and size")
        else:
            stamps.append(Stamp(match[1], int(match[2]), path.read_bytes()))
    return stamps
