"""A signed BagIt bag (RFC 8493) as one ZIP file: closing one, and checking one without trusting it.

Both payload manifests list everything under data/; the tag manifest lists the rest, and ``signature.note`` is a
signed note whose text is the tag manifest, byte for byte. Pure: the standard library and the room's own pure files.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from audit import notes
from audit.findings import Findings, Unusable

PAYLOAD, SIGNATURE = "data", "signature.note"
TAG_MANIFEST = ("sha512", "tagmanifest-sha512.txt")
MANIFESTS = {"sha256": "manifest-sha256.txt", "sha512": "manifest-sha512.txt"}
DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
LARGEST, MOST_FILES = 8 * 2**30, 100_000
"""What a ZIP may unpack to: bytes and files. Beyond it the file is refused before anything is unpacked."""
_LINE = re.compile(r"([0-9a-f]+)  (\S.*)")


def close(bag: Path, *, info: Mapping[str, str], key: notes.PrivateKey) -> None:
    """Write manifests, tag files and signature around a finished payload; nothing may change afterwards."""
    (bag / "bagit.txt").write_text(DECLARATION)
    payload = [path for path in _files(bag) if path.startswith(f"{PAYLOAD}/")]
    size = sum((bag / path).stat().st_size for path in payload)
    told = {**info, "Payload-Oxum": f"{size}.{len(payload)}"}
    (bag / "bag-info.txt").write_text("".join(f"{name}: {value}\n" for name, value in told.items()))
    for algorithm, name in MANIFESTS.items():
        (bag / name).write_text(_manifest(bag, payload, algorithm))
    algorithm, name = TAG_MANIFEST
    tags = _manifest(bag, [path for path in _files(bag) if "/" not in path], algorithm)
    (bag / name).write_text(tags)
    (bag / SIGNATURE).write_bytes(notes.sign(tags, key))


def pack(bag: Path, target: Path) -> None:
    """The bag as a ZIP file with one top folder; the same bag always gives the same names in the same order."""
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as file:
        for path in _files(bag):
            entry = zipfile.ZipInfo(f"{bag.name}/{path}")
            entry.external_attr, entry.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
            entry.file_size = (bag / path).stat().st_size
            with (bag / path).open("rb") as source, file.open(entry, "w") as into:
                shutil.copyfileobj(source, into)


def unpack(source: Path, into: Path) -> Path:
    """Unpack a ZIP file that may come from anybody and return its one bag. Raises Unusable."""
    if not source.is_file():
        raise Unusable("there is no such file")
    if not zipfile.is_zipfile(source):
        raise Unusable("the file is no whole ZIP file")
    try:
        with zipfile.ZipFile(source) as file:
            entries = [entry for entry in file.infolist() if not entry.is_dir()]
            tops = _checked_names(entries)
            for entry in entries:
                target = into / entry.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with file.open(entry) as found, target.open("xb") as written:
                    shutil.copyfileobj(found, written)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise Unusable(f"the file cannot be unpacked: {type(error).__name__}") from error
    except Exception as error:  # zlib.error is derived from Exception alone
        if isinstance(error, Unusable):
            raise
        raise Unusable(f"the file cannot be unpacked: {type(error).__name__}") from error
    return into / tops.pop()


def _checked_names(entries: list[zipfile.ZipInfo]) -> set[str]:
    names = [PurePosixPath(entry.filename) for entry in entries]
    if len(set(names)) != len(names) or len(names) > MOST_FILES:
        raise Unusable("a name occurs twice, or there are too many files")
    if any(name.is_absolute() or ".." in name.parts or "\\" in str(name) for name in names):
        raise Unusable("a name leads out of the folder")
    if sum(entry.file_size for entry in entries) > LARGEST:
        raise Unusable("it would unpack to too many bytes")
    tops = {name.parts[0] for name in names}
    if len(tops) != 1 or any(len(name.parts) < 2 for name in names):
        raise Unusable("a pack holds one folder and nothing beside it")
    return tops


def check(bag: Path, key: notes.PublicKey, findings: Findings) -> None:
    """Signature, then every hash of both kinds, then whether anything is missing or extra."""
    algorithm, name = TAG_MANIFEST
    try:
        tags = (bag / name).read_bytes()
        if notes.opened((bag / SIGNATURE).read_bytes(), key).encode() != tags:
            raise notes.NoteError("it was signed over another tag manifest")
        findings.counts["signatures"] += 1
    except (OSError, notes.NoteError) as error:
        findings.broken("signature", SIGNATURE, str(error))
    present = set(_files(bag))
    payload = {path for path in present if path.startswith(f"{PAYLOAD}/")}
    _hold(bag, name, algorithm, present - payload - {name, SIGNATURE}, findings)
    for algorithm, name in MANIFESTS.items():
        _hold(bag, name, algorithm, payload, findings)
    findings.counts["files in the bag"] = len(present)


def _hold(bag: Path, manifest: str, algorithm: str, present: set[str], findings: Findings) -> None:
    listed = dict(_listed(bag, manifest, findings))
    for path in sorted(present - listed.keys()):
        findings.broken("bag", path, f"is not listed in {manifest}")
    for path, digest in sorted(listed.items()):
        if path not in present:
            findings.broken("bag", path, f"is listed in {manifest} and not here")
        elif (bag / path).is_symlink() or _digest(bag / path, algorithm) != digest:
            findings.broken("bag", path, f"its bytes differ from those {manifest} vouches for")


def _listed(bag: Path, manifest: str, findings: Findings) -> Iterator[tuple[str, str]]:
    try:
        lines = (bag / manifest).read_text().split("\n")
    except (OSError, UnicodeDecodeError):
        findings.broken("bag", manifest, "cannot be read")
        return
    matches = [_LINE.fullmatch(line) for line in lines[:-1]]
    paths = [match[2] for match in matches if match]
    whole = len(paths) == len(set(paths)) == len(lines) - 1 and lines[-1] == ""
    findings.expect(whole, "bag", manifest, "a line does not read 'hash, two spaces, path', or occurs twice")
    yield from ((match[2], match[1]) for match in matches if match)


def _manifest(bag: Path, paths: list[str], algorithm: str) -> str:
    return "".join(f"{_digest(bag / path, algorithm)}  {path}\n" for path in paths)


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _files(bag: Path) -> list[str]:
    return sorted(path.relative_to(bag).as_posix() for path in bag.rglob("*") if not path.is_dir() or path.is_symlink())
