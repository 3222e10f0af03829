"""Checking a package offline: ``python -m audit.verify_package FOLDER --key PUB [--rotations NOTES] [--log EXPORT]``.

PUB is the site's key of packages, or the log's key: of packages from before there was one of its own, and, with an
export of the log, of any package whose key the log vouches for.

The exit code is 0 when the package is the one that was signed, 1 when it is not, 2 when it could not be checked.
Needs Python, `cryptography` and this room's pure files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audit import canonical, notes, rotations, statements
from audit.findings import Findings, Unusable
from audit.telling import tell
from audit.verify import public_key
from audit.verify_provenance import Told

ATTESTATION, MANIFEST = "attestation.json", "manifest.json"
LARGEST = 64 * 2**20
"""Bytes of a manifest or envelope beyond which it is refused unread."""


def verify(folder: Path, key: notes.PublicKey, handed: Sequence[notes.PublicKey] = ()) -> Findings:
    """Everything that does not hold of the package in this folder. Unusable where it is none.

    ``handed``: keys that hand-overs tie to ``key`` (``chain_of``); a package signed by one of them holds too.
    """
    return signed_by(folder, [key, *handed])[0]


def signed_by(folder: Path, known: Sequence[notes.PublicKey]) -> tuple[Findings, notes.PublicKey]:
    """As ``verify`` with any of these keys, and the one that signed; the first where none did."""
    findings = Findings()
    if not folder.is_dir() or not (folder / ATTESTATION).is_file():
        raise Unusable(f"the folder, or {ATTESTATION} in it, is not there: without it nothing can be checked")
    try:
        signed, signer = _opened(_read(folder / ATTESTATION), known)
    except (notes.NoteError, OSError) as error:
        findings.broken("signature", ATTESTATION, str(error))
        return findings, known[0]
    findings.counts["signatures"] += 1
    findings.counts["packages on which one steward decided"] = signed.get("one_steward") is not None
    _same_manifest(folder, signed, findings)
    _same_files(folder, {file["name"]: file["sha256"] for file in signed["files"]}, findings)
    return findings, signer


def _opened(envelope: bytes, known: Sequence[notes.PublicKey]) -> tuple[dict[str, Any], notes.PublicKey]:
    """What one of these keys vouches for, and which. Raises the refusal of the first where none does."""
    try:
        return statements.opened(envelope, known[0]), known[0]
    except notes.NoteError as refused:
        for other in known[1:]:
            try:
                return statements.opened(envelope, other), other
            except notes.NoteError:
                continue
        raise refused from None


def chain_of(folder: Path, key: notes.PublicKey) -> list[notes.PublicKey]:
    """Every key that the hand-overs in this folder tie to ``key``. Unusable where they do not, or do not link up."""
    try:
        found = rotations.chain(path.read_bytes() for path in sorted(folder.glob("*.note")))
    except (notes.NoteError, OSError) as error:
        raise Unusable(f"the hand-overs of keys: {error}") from error
    if key not in found:
        raise Unusable("the hand-overs of keys do not name the given key")
    return found


def _same_manifest(folder: Path, signed: dict[str, Any], findings: Findings) -> None:
    """The manifest says what was signed, and of the envelope, which cannot hold its own hash, the hash."""
    try:
        found = canonical.parse(_read(folder / MANIFEST), floats=True)
        rest = [file for file in found["files"] if file["name"] != ATTESTATION]
        hashes = [file["sha256"] for file in found["files"] if file["name"] == ATTESTATION]
        same = found | {"files": rest} == signed and hashes == [_digest(folder / ATTESTATION)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        findings.broken("manifest", MANIFEST, f"cannot be read: {type(error).__name__}")
    else:
        findings.expect(same, "manifest", MANIFEST, "says something else than what was signed")


def _same_files(folder: Path, signed: dict[str, str], findings: Findings) -> None:
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if _is_leaf(path)}
    for name in sorted(present - signed.keys() - {ATTESTATION, MANIFEST}):
        findings.broken("files", name, "is not part of the package")
    for name, digest in sorted(signed.items()):
        if name not in present:
            findings.broken("files", name, "is missing")
        elif (folder / name).is_symlink() or _digest(folder / name) != digest:
            findings.broken("files", name, "its bytes are not those that were signed")
        else:
            findings.counts["files"] += 1


def _is_leaf(path: Path) -> bool:
    return path.is_symlink() or not path.is_dir()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise OSError(f"{path.name} is too large")
    return path.read_bytes()


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        key = public_key(options.key)
        handed = chain_of(options.rotations, key) if options.rotations is not None else []
        told = None if options.log is None else Told.of(options.log, key=options.log_key or options.key)
        found, signer = signed_by(options.package, [key, *handed, *(told.vouched if told else [])])
        if told is not None:
            _borne_out(options.package, told, signer, found)
    except (Unusable, OSError) as problem:
        print(f"cannot be checked: {problem}", file=sys.stderr)
        return 2
    tell(_as_json(found, signer) if options.json else _in_words(found, signer))
    return 1 if found.found else 0


def _borne_out(folder: Path, told: Told, signer: notes.PublicKey, found: Findings) -> None:
    """Add what the log says against the package; of one that does not hold, what is wrong with the log alone."""
    if found.found:
        found.found += told.faults()
    else:
        manifest = folder / MANIFEST
        told.check(canonical.parse(_read(manifest), floats=True), _digest(manifest), signer, found)


def _in_words(found: Findings, key: notes.PublicKey) -> str:
    lines = [f"{one.check}: {one.place}: {one.message}" for one in found.found]
    if found.found:
        return "\n".join([_verdict(found), *lines])
    held = f"The package holds: {found.counts['files']} files as {key.name} signed them, none missing, none extra."
    told = [held]
    if found.counts["entries of the log"]:
        told.append(f"The log of {found.counts['entries of the log']} entries holds, and tells of it.")
    if found.counts["packages on which one steward decided"]:
        told.append("One steward decided on it: the dataset's owner waived the second (guarantee.txt).")
    return "\n".join(told)


def _verdict(found: Findings) -> str:
    if all(one.check.startswith("log") for one in found.found):
        return "THE LOG DOES NOT BEAR THIS PACKAGE OUT"
    return "THIS IS NOT THE PACKAGE THAT WAS SIGNED"


def _as_json(found: Findings, signer: notes.PublicKey) -> str:
    told = [{"check": one.check, "place": one.place, "message": one.message} for one in found.found]
    key = None if told else str(signer)
    return json.dumps({"holds": not told, "signed_by": key, "counts": found.counts, "findings": told}, indent=2)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="llmsynthor-verify", description="Check a package offline.")
    parser.add_argument("package", type=Path, help="the folder that holds the package's files, and nothing else")
    parser.add_argument("--key", required=True, help="the site's public key of packages, or a file that holds it")
    parser.add_argument("--rotations", type=Path, help="the folder of statements by which keys handed over to the next")
    parser.add_argument("--log", type=Path, help="an export of the site's audit log, to check who decided")
    parser.add_argument("--log-key", help="the log's public key, or a file that holds it, where it is not --key")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
