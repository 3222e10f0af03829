"""Reading a public reference table in a dataset's own coding. It is no personal data, and never meets the vault."""

from __future__ import annotations

import hashlib
import hmac
from typing import IO

import numpy as np

from privacy import tables
from privacy.coding import Coder, Tally
from privacy.problems import Problem, UploadRefused
from privacy.schema import Schema
from privacy.values import IntArray

MOST_ROWS = 200_000
"""More rows would tell a mixture little that is new."""


def codes_of(schema: Schema, source: IO[bytes], *, columns: int, cell_chars: int) -> IntArray:
    """Codes (rows x columns) of a file in the form that the schema declares.

    UploadRefused with every problem found, by column and rule, or where the file is too large.
    """
    tally = Tally()
    limits = tables.Limits(rows=MOST_ROWS, columns=columns, cell_chars=cell_chars)
    table = tables.Table(source, delimiter=schema.delimiter, limits=limits, tally=tally)
    tables.check_header(table.header, schema.header, delimiter=schema.delimiter)
    coder = Coder(schema, table.header, tally)
    coded = [np.stack(coder.code(batch.cells, batch.lines), axis=1).astype(np.int64) for batch in table.batches()]
    if tally:
        raise UploadRefused(tally.problems)
    return np.concatenate(coded)


def check_not_private(content: bytes, *, key: bytes, fingerprints: set[str]) -> None:
    """UploadRefused where the file is, byte for byte, one that was registered as personal data."""
    if hmac.new(key, content, hashlib.sha256).hexdigest() in fingerprints:
        raise UploadRefused([Problem("", "this very file was registered as personal data, so it is not public")])
