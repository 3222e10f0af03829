"""Tiles, read back by a small reader of our own that knows the public format and none of the product's code."""

import base64
import hashlib

import pytest

from audit import rotations, tiles, verify
from audit.merkle import leaf_hash
from tests.audit_story import KEY, PUB, findings, sign_manifest, whole

# --- the reader


def tile_path(base, level, number, width):
    digits = f"{number % 1000:03d}"
    while number >= 1000:
        number //= 1000
        digits = f"x{number % 1000:03d}/{digits}"
    return base / "tile" / level / (digits if width == 256 else f"{digits}.p/{width}")


def read_row(base, level, length):
    """All of one level: for each tile its bytes."""
    widths = [256] * (length // 256) + ([length % 256] if length % 256 else [])
    return [(width, tile_path(base, level, at, width).read_bytes()) for at, width in enumerate(widths)]


def read_entries(base, size):
    entries = []
    for width, data in read_row(base, "entries", size):
        at = 0
        for _ in range(width):
            length = int.from_bytes(data[at : at + 2], "big")
            entries.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        assert at == len(data)
    return entries


def mth(hashes):
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return hashlib.sha256(b"\x01" + mth(hashes[:split]) + mth(hashes[split:])).digest()


def read_root(base, size):
    """The root from the tiles, each level checked against the one below, and the lowest against the entries."""
    below = [hashlib.sha256(b"\x00" + entry).digest() for entry in read_entries(base, size)]
    leaves, level = below, 0
    while below:
        row = b"".join(data for _, data in read_row(base, str(level), len(below)))
        assert row == b"".join(below), f"level {level} does not belong to the level below"
        below = [mth(below[at : at + 256]) for at in range(0, len(below) - 255, 256)]
        level += 1
    return mth(leaves)


# --- what it reads


def written(base, size):
    lines = [b"entry %d " % number + b"x" * (number % 7) for number in range(size)]
    for name, data in tiles.files(lines, [leaf_hash(line) for line in lines]):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(data)
    return lines


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 512, 1000])
def test_the_reader_finds_entries_and_root(tmp_path, size):
    lines = written(tmp_path, size)
    assert read_entries(tmp_path, size) == lines
    assert read_root(tmp_path, size) == mth([leaf_hash(line) for line in lines])


def test_the_example_of_the_format(tmp_path):
    """A tree of 70,000: the tiles the specification counts."""
    lines = [b""] * 70_000
    names = [name for name, _ in tiles.files(lines, [leaf_hash(b"")] * 70_000)]
    assert sum(name.startswith("tile/0/") for name in names) == 274
    assert {"tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"} <= set(names)
    assert "tile/entries/272" in names
    assert tiles._number(1234067) == "x001/x234/067"
    assert len(names) == 274 * 2 + 2 + 1


def test_an_entry_beyond_the_format_is_named():
    with pytest.raises(ValueError, match="entry 1 is longer than 65535 bytes"):
        list(tiles.files([b"", b"x" * 65_536], [bytes(32)] * 2))
    list(tiles.files([b"x" * 65_535], [bytes(32)]))


# --- in an export


@pytest.fixture
def clean(tmp_path):
    story = whole()
    folder = story.write(tmp_path / "export")
    base, lines = folder / "tlog", story.lines()
    for name, data in tiles.files(lines, [leaf_hash(line) for line in lines]):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(data)
    (base / "checkpoint").write_bytes((folder / "checkpoints" / f"{len(lines):012d}.note").read_bytes())
    resigned(folder)
    return folder


def resigned(folder):
    """As an insider, who signs whatever lies there."""
    final = rotations.checkpoint((folder / "checkpoints" / "000000000030.note").read_bytes(), [KEY.public])
    (folder / "manifest.note").unlink()
    sign_manifest(folder, final, KEY)


def test_an_export_with_tiles_holds_and_its_checkpoint_signs_the_root_in_them(clean):
    report = verify.verify(clean, key=PUB)
    assert (report.findings, report.counts["tiles"]) == ([], 2)
    _, size, root = (clean / "tlog" / "checkpoint").read_text().split("\n")[:3]
    assert read_root(clean / "tlog", int(size)) == base64.b64decode(root)


@pytest.mark.parametrize("name", ["tile/0/000.p/30", "tile/entries/000.p/30", "checkpoint"])
def test_a_flipped_byte_fails_also_where_an_insider_signs_again(clean, name):
    path = clean / "tlog" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert any("its bytes differ" in one for one in findings(clean))
    resigned(clean)
    assert any(one.startswith(f"tiles: {name}") for one in findings(clean))
    if name != "checkpoint":
        with pytest.raises(AssertionError, match="does not belong"):
            read_root(clean / "tlog", 30)


@pytest.mark.parametrize("change", ["missing", "added", "older checkpoint"])
def test_signed_tiles_of_another_log_fail(clean, change):
    base = clean / "tlog"
    if change == "missing":
        (base / "tile" / "0" / "000.p" / "30").unlink()
    elif change == "added":
        (base / "tile" / "0" / "001").write_bytes(bytes(8192))
    else:
        (base / "checkpoint").write_bytes((clean / "checkpoints" / "000000000017.note").read_bytes())
    resigned(clean)
    expected = {"missing": "missing", "added": "belongs to no entry", "older checkpoint": "not the one the manifest"}
    assert any(one.startswith("tiles: ") and expected[change] in one for one in findings(clean))
