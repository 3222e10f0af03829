"""Are the tiles of an export the tiles of its entries, and is their checkpoint its last one?"""

from __future__ import annotations

from pathlib import Path

from audit import rotations, tiles
from audit.archive import TILES, Archive
from audit.findings import Findings
from audit.merkle import leaf_hash
from audit.notes import NoteError


def check(folder: Path, archive: Archive, findings: Findings) -> None:
    """Nothing is checked where the export was made without tiles."""
    base = folder / TILES
    if not base.exists():
        return
    try:
        wanted = dict(tiles.files(archive.lines, [leaf_hash(line) for line in archive.lines]))
    except ValueError as error:
        findings.broken("tiles", TILES, str(error))
        return
    present = {path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_file()}
    for name in sorted(wanted.keys() ^ (present - {tiles.CHECKPOINT})):
        findings.broken("tiles", name, "missing" if name in wanted else "belongs to no entry")
    for name in sorted(wanted.keys() & present):
        same = (base / name).read_bytes() == wanted[name]
        findings.expect(same, "tiles", name, "does not belong to the entries")
    findings.counts["tiles"] = len(wanted)
    _checkpoint(base / tiles.CHECKPOINT, archive, findings)


def _checkpoint(path: Path, archive: Archive, findings: Findings) -> None:
    try:
        found = rotations.checkpoint(path.read_bytes(), archive.keys)
    except (NoteError, OSError) as error:
        findings.broken("tiles", path.name, str(error))
        return
    findings.expect(found == archive.final, "tiles", path.name, "is not the one the manifest signs")
