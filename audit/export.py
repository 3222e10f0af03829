"""Everything an outsider needs to check the log without us: exact bytes, bodies, checkpoints, key.

The manifest is a signed note that lists every other file with its hash. Its layout, and the layout of
each file, is read by audit/verify.py; the two are tested against each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audit import anchors, bodies, canonical, events, key_care, keys, log, notes, prompts, receipts, tiles, witnessing
from audit.archive import BODIES, ENTRIES, FORMAT, KEY, KEYS, MANIFEST, STAMPS, TILES, WITHHELD
from audit.commitments import body_references
from audit.errors import AuditError
from audit.leaves import Leaf, LeafError
from audit.merkle import leaf_hash
from audit.models import Body, Checkpoint, LogEntry

Choose = Callable[[Iterable[Leaf]], Collection[int]]
"""From all entries, the indexes of those whose bodies go into an export."""


@dataclass(frozen=True, slots=True)
class Exported:
    folder: Path
    size: int
    root: str
    files: int


def export(folder: Path, *, by: str, reason: str, with_tiles: bool = False) -> Exported:
    """Write the whole log to an empty or new ``folder``; the export is itself an entry, the last one in it.

    ``with_tiles`` adds the log a second time, as static files for outside tools (C2SP tlog-tiles). Witnesses are
    asked for a last cosignature; one that does not answer stops nothing. Raises AuditError when the folder holds
    something already, LogUnavailable when the log is not whole.
    """
    _must_be_empty(folder)
    if with_tiles:
        _fit_for_tiles()
    prompts.sweep()
    events.flush()
    events.append(action="audit:export:made", by=by, subject="log:all", facts={"reason": reason})
    return write(folder, with_tiles=with_tiles)


def write(folder: Path, *, choose: Choose | None = None, with_tiles: bool = False) -> Exported:
    """Write the log as it stands, for a caller who has logged why.

    With ``choose`` the bodies of the other entries are left out, and named in a file of the signed manifest, so that
    a body held back is told from one that is missing. Raises as ``export`` does.
    """
    _must_be_empty(folder)
    prompts.sweep()
    events.flush()
    signed = log.checkpoint()
    if signed is None:
        raise AuditError("the log is empty")
    witnessing.submit_for_export(signed)
    _write_files(folder, signed.size, choose)
    if with_tiles:
        _write_tiles(folder / TILES, signed.size)
    listed = [_manifest_line(folder, path) for path in _files(folder)]
    head = f"{FORMAT}\n{signed.text()}"
    (folder / MANIFEST).write_bytes(notes.sign(head + "".join(listed), keys.signing()))
    return Exported(folder, signed.size, signed.root.hex(), len(listed) + 1)


def _must_be_empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise AuditError("the folder for an export must be empty")
    if key_care.half_done():
        raise AuditError("a turn to a new signing key is half done: finish it with rotate_log_key")


def _write_files(folder: Path, size: int, choose: Choose | None) -> None:
    _write_lines(folder / ENTRIES, _entries(size))
    chosen = None if choose is None else choose(_leaves(size))
    _write_lines(folder / BODIES, _bodies(size, chosen))
    if chosen is not None:
        _write_lines(folder / WITHHELD, _withheld(size, chosen))
    (folder / KEY).write_text(f"{keys.public()}\n")
    lines = _cosignatures(size)
    for at, note in sorted(_checkpoints(size).items()):
        _placed(folder / "checkpoints" / f"{at:012d}.note", note + b"".join(lines.get(at, [])))
    for at, statement in enumerate(keys.statements(), start=1):
        _placed(folder / KEYS / f"{at:04d}.note", statement)
    for witness, at, stamp in receipts.proofs(receipts.TIMESTAMP):
        if at <= size:
            _placed(folder / STAMPS / witness / f"{at:012d}.tsr", stamp)


def _fit_for_tiles() -> None:
    try:
        tiles.check(_entries(log.size()))
    except ValueError as error:
        raise AuditError(f"{error}; export without tiles") from error


def _write_tiles(folder: Path, size: int) -> None:
    lines = list(_entries(size))
    for name, data in tiles.files(lines, [leaf_hash(line) for line in lines]):
        _placed(folder / name, data)
    note = _checkpoints(size)[size] + b"".join(_cosignatures(size).get(size, []))
    _placed(folder / tiles.CHECKPOINT, note)


def _placed(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _cosignatures(size: int) -> dict[int, list[bytes]]:
    """The lines of witnesses under each checkpoint up to this size."""
    lines: dict[int, list[bytes]] = {}
    for _, at, line in receipts.proofs(receipts.COSIGNATURE):
        if at <= size:
            lines.setdefault(at, []).append(line)
    return lines


def _entries(size: int) -> Iterator[bytes]:
    found = LogEntry.objects.filter(index__lt=size).order_by("index").values_list("leaf", flat=True)
    return (bytes(leaf) for leaf in found.iterator(chunk_size=2000))


def _leaves(size: int) -> Iterator[Leaf]:
    return (Leaf.from_bytes(leaf) for leaf in _entries(size))


def _bodies(size: int, chosen: Collection[int] | None) -> Iterator[bytes]:
    """The bodies that entries of this export speak of, in the order of those entries."""
    for index, leaf in enumerate(_entries(size)):
        if chosen is None or index in chosen:
            for name in _named(leaf):
                body = Body.objects.filter(pk=name).first()
                if body is not None:
                    yield _body_line(body)


def _withheld(size: int, chosen: Collection[int]) -> Iterator[bytes]:
    for index, leaf in enumerate(_entries(size)):
        if index not in chosen:
            for name in _named(leaf):
                yield canonical.dumps({"entry": index, "id": name})


def _named(leaf: bytes) -> Iterable[str]:
    """The bodies an entry speaks of; a damaged entry is exported as it is, for the verifier to name."""
    try:
        return body_references(Leaf.from_bytes(leaf).facts)
    except LeafError:
        return ()


def _body_line(body: Body) -> bytes:
    known: dict[str, object] = {"id": body.pk, "kind": body.kind, "erased": body.erased}
    known["salt"] = "" if body.erased else bytes(body.salt).hex()
    known["data"] = "" if body.erased else notes.b64(bodies.decrypted(body))
    return canonical.dumps(known)


def _checkpoints(size: int) -> dict[int, bytes]:
    kept = Checkpoint.objects.filter(size__lte=size).values_list("size", "note")
    anchored = {_size_of(note): note for note in anchors.every()}
    return {at: note for at, note in anchored.items() if at <= size} | {at: bytes(note) for at, note in kept}


def _size_of(note: bytes) -> int:
    return keys.opened(note).size


def _write_lines(path: Path, lines: Iterator[bytes]) -> None:
    with path.open("xb") as file:
        for line in lines:
            file.write(line + b"\n")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _manifest_line(folder: Path, path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{digest} {path.relative_to(folder).as_posix()}\n"
