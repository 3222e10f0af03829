"""Exports an insider signed: files and lines that cannot be read strictly, or are not one sequence."""

import json

import pytest

from audit import canonical, notes
from audit.merkle import leaf_hash, root
from tests.audit_story import KEY, findings, sign_manifest, whole


@pytest.fixture
def clean(tmp_path):
    return whole().write(tmp_path / "export")


def resigned(folder):
    """Sign whatever the folder holds now, as an insider could."""
    lines = (folder / "entries.jsonl").read_bytes().split(b"\n")[:-1]
    tree = root([leaf_hash(line) for line in lines])
    sign_manifest(folder, notes.Checkpoint(KEY.name, len(lines), tree), KEY)


def added(name, data):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + data)


def first_body_again(folder):
    added("bodies.jsonl", (folder / "bodies.jsonl").read_bytes().split(b"\n")[0] + b"\n")(folder)


def renamed_checkpoint(folder):
    (folder / "checkpoints" / "000000000017.note").rename(folder / "checkpoints" / "000000000016.note")


OTHER_BASE64 = canonical.dumps({"id": "x", "kind": "x", "erased": False, "salt": "", "data": "AB=="}) + b"\n"
FILE_DEFECTS = {
    "a line cut short": (added("entries.jsonl", b'{"action"'), "its last line is cut short"),
    "a body twice": (first_body_again, "occurs twice"),
    "a body that is none": (added("bodies.jsonl", b'{"id":"x"}\n'), "malformed: ValueError"),
    "a body in other base64": (added("bodies.jsonl", OTHER_BASE64), "malformed: NoteError"),
    "a checkpoint under another size": (renamed_checkpoint, "wrong size"),
    "no bodies at all": (lambda folder: (folder / "bodies.jsonl").unlink(), "bodies.jsonl: cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILE_DEFECTS)
def test_signed_files_that_cannot_be_read_strictly_fail(clean, name):
    plant, expected = FILE_DEFECTS[name]
    plant(clean)
    resigned(clean)
    found = findings(clean)
    assert any(expected in one for one in found), found


def told(at, **fields):
    """Change fields of one entry, and spell the entry canonically again."""

    def change(lines):
        return [canonical.dumps({**json.loads(line), **(fields if n == at else {})}) for n, line in enumerate(lines)]

    return change


LINE_DEFECTS = {
    "gap": (lambda lines: lines[:5] + lines[6:], "a gap or a swap"),
    "swap": (lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]], "a gap or a swap"),
    "doubled": (lambda lines: [*lines, lines[-1]], "its event is in the log twice"),
    "time runs back": (told(9, time="2029-01-01T00:00:00Z"), "older than the entry before"),
    "other spelling": (lambda lines: [lines[0].replace(b":", b": ", 1), *lines[1:]], "not in canonical form"),
    "field added": (told(3, note="x"), "not an entry of this version"),
    "not JSON": (lambda lines: [*lines[:-1], b"garbage"], "not readable"),
}  # fmt: skip


@pytest.mark.parametrize("name", LINE_DEFECTS)
def test_signed_entries_that_are_not_a_sequence_fail(tmp_path, name):
    change, expected = LINE_DEFECTS[name]
    story = whole()
    found = findings(story.write(tmp_path / "export", lines=change(story.lines())))
    assert any(expected in one for one in found), found
