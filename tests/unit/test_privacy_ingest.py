"""Files that do not fit: every one gets a clear message by column, rule and line, and never a cell's value."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from privacy import chunks, ingest, sealing, tables, wrapping
from privacy.ingest import Order
from privacy.problems import UploadRefused
from privacy.schema import Schema

ROOT = Path(__file__).resolve().parents[2]
CANARY = "83749canary"
RAW = CANARY.encode()
DECLARED: dict[str, Any] = {
    "title": "Small",
    "population": "people",
    "privacyUnit": {"kind": "row", "means": "one person"},
    "cap": {"rho": 1, "delta": 1e-6},
    "purposes": ["testing"],
    "fields": [
        {"name": "sex", "type": "string", "categories": ["f", "m"], "constraints": {"required": True}},
        {"name": "age", "type": "integer", "constraints": {"minimum": 0, "maximum": 9}},
        {"name": "note", "type": "string", "freeText": True},
    ],
}
BY_PERSON: dict[str, Any] = DECLARED | {
    "privacyUnit": {
        "kind": "identifier",
        "column": "who",
        "maxRows": 2,
        "nullIdentifiers": "drop",
        "means": "one person",
    },
    "fields": [{"name": "who", "type": "string"}, *DECLARED["fields"]],
}
HEADER = b"sex,age,note\n"
GOOD = HEADER + b'f,3,hello\nm,,\n\nf,9,"two\nlines"\n'
SMALL = tables.Limits(rows=5, columns=4, cell_chars=40)


@pytest.fixture
def order(tmp_path: Path) -> Order:
    sealing.make_keys(tmp_path / "vault.key", tmp_path / "vault.pub")
    (tmp_path / "fingerprint.key").write_text("ab" * 32)
    return Order(
        schema=json.dumps(DECLARED), context="v1", limits=SMALL, seconds=60, memory_bytes=2**33,
        public_key=str(tmp_path / "vault.pub"), fingerprint_key=str(tmp_path / "fingerprint.key"),
        wrapped_key=str(tmp_path / "out.key"), out=str(tmp_path / "out.sealed"),
    )  # fmt: skip


def changed(order: Order, **changes: Any) -> Order:
    return Order.from_json(json.dumps(json.loads(order.to_json()) | changes))


def arrays(order: Order) -> list[np.ndarray[Any, Any]]:
    """Rows x columns codes of every sealed chunk."""
    domain = Schema.parse(order.schema).domain
    vault = sealing.private_key(Path(order.public_key).with_name("vault.key"))
    key = wrapping.open_key(Path(order.wrapped_key), [vault], context="v1")
    with Path(order.out).open("rb") as source:
        records = sealing.opened(source, key, context=b"v1")
        return [np.stack(chunks.unpack(record, domain), axis=1) for record in records]


def test_a_good_file_is_coded_and_sealed(order: Order) -> None:
    answer = ingest.run(order, io.BytesIO(GOOD))
    assert (answer["rows_read"], answer["rows_kept"]) == (3, 3)
    (codes,) = arrays(order)
    assert codes.tolist() == [[0, 3], [1, 10], [0, 9]]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD,
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.removesuffix(b"\n"),
        b'note,sex,age\nhello,f,3\n,m,\n"x",f,9\n',
        b" sex , age , note \n f , 3 ,x\nm,,\nf, 9,\n",
    ],
)
def test_the_same_table_written_otherwise(order: Order, content: bytes) -> None:
    ingest.run(order, io.BytesIO(content))
    assert arrays(order)[0].tolist() == [[0, 3], [1, 10], [0, 9]]


def test_rows_are_bounded_by_unit(order: Order) -> None:
    lines = b"who,sex,age,note\n" + b"".join(b"ada,f,%d,\n" % age for age in range(4)) + b",m,1,\n"
    answer = ingest.run(changed(order, schema=json.dumps(BY_PERSON)), io.BytesIO(lines))
    assert (answer["rows_read"], answer["rows_kept"]) == (5, 2)
    (codes,) = arrays(order)
    assert codes[:, 0].tolist() == [0, 0]
    assert [path.name for path in Path(order.out).parent.glob("out*")] == ["out.key", "out.sealed"], "a spool was left"


def test_leaf_rows_are_bounded_by_level_and_in_all(order: Order) -> None:
    """Three visits of one person with three lines each: two visits of two lines stay, and of these three lines."""
    unit = BY_PERSON["privacyUnit"] | {
        "maxRows": 3, "levels": [{"column": "visit", "maxMembers": 2}], "maxRowsPerMember": 2,
    }  # fmt: skip
    nested = BY_PERSON | {"privacyUnit": unit, "fields": [{"name": "visit", "type": "string"}, *BY_PERSON["fields"]]}
    lines = [f"p1,v{visit},f,{visit},x" for visit in range(3) for _ in range(3)] + ["p2,v1,m,9,x", ",v1,m,9,x"]
    content = "\n".join(["who,visit,sex,age,note", *lines, "p3,,m,9,x"]) + "\n"
    limits = {"rows": 20, "columns": 5, "cell_chars": 40}
    answer = ingest.run(changed(order, schema=json.dumps(nested), limits=limits), io.BytesIO(content.encode()))
    assert (answer["rows_read"], answer["rows_kept"]) == (12, 4)
    (codes,) = arrays(order)
    assert sorted(codes[:, 0].tolist()) == [0, 0, 0, 1]
    visits = codes[codes[:, 0] == 0, 1]
    assert sorted(np.unique(visits, return_counts=True)[1].tolist()) == [1, 2]


def test_the_same_bytes_have_the_same_fingerprint_under_the_same_key(order: Order, tmp_path: Path) -> None:
    first = ingest.run(order, io.BytesIO(GOOD))["fingerprint"]
    again = changed(order, out=str(tmp_path / "b"), wrapped_key=str(tmp_path / "b.key"))
    assert ingest.run(again, io.BytesIO(GOOD))["fingerprint"] == first
    (tmp_path / "fingerprint.key").write_text("cd" * 32)
    other = ingest.run(changed(order, out=str(tmp_path / "c"), wrapped_key=str(tmp_path / "c.key")), io.BytesIO(GOOD))[
        "fingerprint"
    ]
    assert other != first


BAD: list[tuple[str, bytes, str, str]] = [
    ("empty", b"", "", "the file is empty"),
    ("blank", b"\n\n", "", "the file is empty"),
    ("header only", HEADER, "", "a header and no rows"),
    ("semicolons", b"sex;age;note\nf;3;" + RAW, "", "a semicolon, while the schema declares a comma"),
    ("tabs", b"sex\tage\tnote\nf\t3\tx\n", "", "separated by a tab"),
    ("missing column", b"sex,note\nf,x\n", "age", "the column is missing from the file (line 1)"),
    ("extra column", b"sex,age,note," + RAW + b"\nf,3,x,y\n", "", "not declared: 1; the first is column 4"),
    ("no header", RAW + b",3,x\nf,3,x\n", "", "not declared: 3; the first is column 1"),
    ("column twice", b"sex,age,note,age\nf,3,x,4\n", "age", "names the column twice"),
    ("too many columns", b"a,b,c,d,e\n1,2,3,4,5\n", "", "more than 4 columns"),
    ("unlisted value", HEADER + RAW + b",3,x\nf,3,x\nq,3,x\n", "sex", "declared ones (2 times, first in line 2)"),
    ("missing value", HEADER + b"f,3,x\n,3,x\n", "sex", "a cell is missing (line 3)"),
    ("beyond the bounds", HEADER + b"f,10,x\n", "age", "not a whole number from 0 to 9 (line 2)"),
    ("no number", HEADER + b"f," + RAW + b",x\n", "age", "not a whole number"),
    ("infinite", HEADER + b"f,inf,x\nf,NaN,x\n", "age", "(2 times, first in line 2)"),
    ("short line", HEADER + b"f,3,x\nf,3\n", "", "more or fewer cells than the header (line 3)"),
    ("long line", HEADER + b"f,3,x," + RAW + b"\nf,3,x\n", "", "more or fewer cells than the header (line 2)"),
    ("open quote", HEADER + b'f,3,"' + RAW + b"\nm,3,x\n", "", "quotes"),
    ("broken quote", HEADER + b'f,3,"a"' + RAW + b"\n", "", "quotes"),
    ("bare return", HEADER + b"f,3,a\rm,3,b\n", "", "quotes and its end"),
    ("long cell", HEADER + b"f,3," + b"x" * 41 + b"\n", "", "longer than 40 characters"),
    ("long open cell", HEADER + b'f,3,"' + b"x\n" * 30, "", "longer than 40 characters, or a quote is not closed"),
    ("endless line", HEADER + b"f" * 5000, "", "a line is too long (line 2)"),
    ("latin-1", HEADER + b"f,3,caf\xe9\n", "", "UTF-8 (line 2)"),
    ("utf-16", "sex,age,note\nf,3,x\n".encode("utf-16"), "", "NUL bytes"),
    ("NUL", HEADER + b"f,3,x\nf,3,\0\n", "", "NUL bytes, so it is not text (line 3)"),
    ("a spreadsheet", b"PK\x03\x04\x14\x00\x06\x00", "", "NUL bytes"),
    ("too many rows", HEADER + b"f,3,x\n" * 6, "", "more than 5 rows"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "column", "rule"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_file_is_refused_by_column_and_rule(order: Order, content: bytes, column: str, rule: str) -> None:
    with pytest.raises(UploadRefused) as refused:
        ingest.run(order, io.BytesIO(content))
    told = [str(problem) for problem in refused.value.problems if problem.column == column]
    assert any(rule in line for line in told), str(refused.value)
    assert CANARY not in str(refused.value)
    assert CANARY not in json.dumps([problem.to_json() for problem in refused.value.problems])
    assert not Path(order.out).exists(), "something of a refused file was kept"


def test_all_kinds_of_bad_cells_come_at_once(order: Order) -> None:
    content = HEADER + b"f,3,x\nq,3,x\n,77,x\nm,3\nz,3,x\n"
    with pytest.raises(UploadRefused) as refused:
        ingest.run(order, io.BytesIO(content))
    assert [(p.column, p.line, p.count) for p in refused.value.problems] == [
        ("sex", 3, 2), ("sex", 4, 1), ("age", 4, 1), ("", 5, 1),
    ]  # fmt: skip


def test_an_identifier_that_repeats_is_no_problem_and_is_not_kept(order: Order) -> None:
    lines = b"who,sex,age,note\n" + b"".join(RAW + b",f,1,\n" for _ in range(4))
    ingest.run(changed(order, schema=json.dumps(BY_PERSON)), io.BytesIO(lines))
    assert all(RAW not in array.tobytes() for array in arrays(order))


def test_large_files_stream_in_chunks(order: Order) -> None:
    wide = changed(order, limits={"rows": 10**7, "columns": 4, "cell_chars": 40})
    rows = 2 * chunks.ROWS + 17
    answer = ingest.run(wide, io.BytesIO(HEADER + b"f,3,x\nm,,\n" * (rows // 2) + b"f,3,x\n" * (rows % 2)))
    assert answer["rows_read"] == rows
    found = arrays(order)
    assert [len(array) for array in found] == [chunks.ROWS] * 2 + [17]
    assert np.concatenate(found).tolist() == ([[0, 3], [1, 10]] * rows)[:rows]


MEMORY = """
import sys
from pathlib import Path
from privacy import ingest
with open(sys.argv[2], "rb") as source:
    assert ingest.run(ingest.Order.from_json(sys.argv[1]), source)["rows_read"] > 0
print(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1])
"""


def test_a_file_thirty_times_as_large_takes_hardly_more_memory(order: Order, tmp_path: Path) -> None:
    peaks = []
    for rows in (30_000, 900_000):
        table = tmp_path / f"{rows}.csv"
        table.write_bytes(HEADER + b"".join(b"f,%d,%s\n" % (row % 10, b"word" * 9) for row in range(rows)))
        place = changed(order, limits={"rows": 10**7, "columns": 4, "cell_chars": 40}, out=str(table) + ".sealed",
                        wrapped_key=str(table) + ".key")  # fmt: skip
        command = [sys.executable, "-c", MEMORY, place.to_json(), str(table)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) // 1024)
    assert (tmp_path / "900000.csv").stat().st_size > 36 * 10**6
    assert peaks[1] - peaks[0] < 40, f"MiB of resident memory: {peaks}"
