"""Tables of words: a codebook as CSV text or as the first sheet of a spreadsheet, under limits.

A spreadsheet is opened in a process of its own with a limit on memory: a small file can unfold to terabytes.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

from privacy.codebook.draft import refuse

MOST_BYTES = 5 * 2**20
MOST_ROWS = 5000
MOST_COLUMNS = 100
MOST_CHARACTERS = 20_000
SECONDS = 30
DELIMITERS = ",;\t|"
UNREADABLE = "the spreadsheet cannot be read: it is damaged, protected, or too large when opened"

Rows = list[list[str]]


def rows_of(content: bytes) -> Rows:
    """All rows of a CSV text or of a workbook's first sheet. CodebookRefused when it is neither."""
    if len(content) > MOST_BYTES:
        raise refuse(f"the codebook is larger than {MOST_BYTES} bytes")
    rows = _spreadsheet(content) if content[:2] == b"PK" or content[:4] == b"\xd0\xcf\x11\xe0" else _text(content)
    rows = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        raise refuse("the codebook is empty")
    if len(rows) > MOST_ROWS or max(map(len, rows)) > MOST_COLUMNS:
        raise refuse(f"the codebook has more than {MOST_ROWS} rows or {MOST_COLUMNS} columns")
    return rows


def _text(content: bytes) -> Rows:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refuse("the codebook must be a spreadsheet (xlsx), or text in UTF-8") from None
    if "\0" in text:
        raise refuse("the codebook holds NUL bytes, so it is not text")
    first = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    csv.field_size_limit(MOST_CHARACTERS)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        raise refuse("a line is not well formed: look at its quotes, and at cells that are too long") from None


def _spreadsheet(content: bytes) -> Rows:
    command = [sys.executable, "-m", "privacy.codebook.spreadsheet"]
    home = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(  # nosec B603  # this code, no shell
            command, input=content, capture_output=True, cwd=home, timeout=SECONDS, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise refuse(UNREADABLE) from None
    if done.returncode != 0:
        raise refuse(UNREADABLE)
    rows: Rows = json.loads(done.stdout)
    return rows
