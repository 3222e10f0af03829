"""Several files in one stream: as they were sent, and streams that somebody made by hand."""

from __future__ import annotations

import io

import pytest

from privacy import bundles
from privacy.problems import UploadRefused


def read(content: bytes) -> dict[str, bytes]:
    return {name: file.read() for name, file in bundles.opened(io.BufferedReader(io.BytesIO(content)), most=10**6)}


def test_files_one_after_another_are_read_as_they_were_sent() -> None:
    files = [("b.csv", 3, io.BytesIO(b"x\n1")), ("a.csv", 0, io.BytesIO(b""))]
    assert read(io.BufferedReader(bundles.Bundle(files)).read()) == {"a.csv": b"", "b.csv": b"x\n1"}


@pytest.mark.parametrize(
    "after",
    [
        b'["a.csv", -1]\nx',
        b'["a.csv", 1.5]\nx',
        b'["a.csv", true]\nx',
        b'["a.csv", "1"]\nx',
        b"[1, 1]\nx",
        b'["a.csv"]\nx',
        b'{"a.csv": 1}\nx',
        b"null\nx",
        b"secret\nx",
        b"\xff\xfe\nx",
        b"[" * 5000 + b"\nx",
        b'["a.csv", ' + b"9" * 4050 + b"]\nx",
        b'["a.csv", 10]\nshort',
        b'["a.csv", 1]\nx and more',
    ],
)
def test_what_was_made_by_hand_is_refused_by_a_rule_that_quotes_nothing(after: bytes) -> None:
    with pytest.raises(UploadRefused) as refused:
        read(bundles.MAGIC + after)
    assert [problem.rule for problem in refused.value.problems] == [bundles.MISFRAMED]
