"""Reads one upload in a process of its own: ``python -m privacy.ingest``, an order and a file on standard input.

The process limits itself first (memory, processor time), reads strings, codes them by the declared schema,
bounds what one privacy unit contributes, and seals the codes to the vault's public key. Plain rows are
never written to a disk. It answers with one JSON object: problems by column and rule, or how many rows were
read and kept.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
import resource
import secrets
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from numpy.typing import NDArray

from privacy import gathering, sealing, tables, texts, wrapping
from privacy.bounding import Bounding
from privacy.chunks import Chunking, unpack
from privacy.coding import Coder, Tally
from privacy.nesting import Identifiers, NestedBounding
from privacy.plain_blocks import Cells
from privacy.problems import Problem, ProblemsFound, UploadRefused
from privacy.schema import Schema
from privacy.spooling import Spool
from privacy.values import Domain, IntArray

AnyBounding = Bounding | NestedBounding
MORE_PROBLEMS = "more problems follow; the file was not read to its end"
MOST_BAD_BATCHES = 10


@dataclass(frozen=True, slots=True)
class Order:
    """The first line on standard input: what to do with the bytes after it. The last four are paths."""

    schema: str
    context: str
    limits: tables.Limits
    seconds: int
    memory_bytes: int
    public_key: str
    fingerprint_key: str
    wrapped_key: str
    out: str

    @property
    def texts(self) -> Path:
        """Beside the codes: the texts of columns that wait for key discovery."""
        return Path(self.out).with_suffix(texts.TEXTS)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Order:
        values = json.loads(text)
        return cls(**{**values, "limits": tables.Limits(**values["limits"])})


class Fingerprinting(io.RawIOBase):
    """Passes bytes through and hashes them under a key, to recognise the same file registered twice."""

    def __init__(self, source: IO[bytes], key: bytes) -> None:
        self._source, self._hash = source, hmac.new(key, digestmod=hashlib.sha256)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._source.read(len(buffer))
        buffer[: len(found)] = found
        self._hash.update(found)
        return len(found)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def run(order: Order, source: IO[bytes]) -> dict[str, Any]:
    """Code and seal the whole of ``source``. UploadRefused with every problem found; nothing is kept then."""
    schema = Schema.parse(order.schema)
    raw = Fingerprinting(source, bytes.fromhex(Path(order.fingerprint_key).read_text()))
    out = Path(order.out)
    try:
        vault = sealing.public_key(Path(order.public_key))
        with out.open("xb") as file:
            recipient = wrapping.new_key(Path(order.wrapped_key), vault, context=order.context)
            sealer = sealing.Sealer(file, recipient, context=order.context.encode())
            answer, numbered = _seal_codes(order, schema, io.BufferedReader(raw, 2**20), sealer)
            sealer.close()
        if numbered:
            _seal_texts(order, numbered, recipient)
    except BaseException:
        for path in (out, order.texts, Path(order.wrapped_key)):
            path.unlink(missing_ok=True)
        raise
    return answer | {"fingerprint": raw.hexdigest()}


def _seal_texts(order: Order, numbered: texts.Numbered, recipient: X25519PublicKey) -> None:
    """To the key that the codes are sealed to."""
    with order.texts.open("xb") as file:
        sealer = sealing.Sealer(file, recipient, context=texts.context(order.context))
        for record in texts.packed(numbered):
            sealer.write(record)
        sealer.close()


def _seal_codes(
    order: Order, schema: Schema, source: io.BufferedReader, sealer: sealing.Sealer
) -> tuple[dict[str, Any], texts.Numbered]:
    """The codes of the rows that are counted, in chunks, and the texts they number; the others are not kept."""
    if schema.related is not None:
        return _seal_units(order, schema, source, sealer), {}
    bounding = _bounding(schema, key=secrets.token_bytes(32))
    if schema.unit.column is None:
        numbered = _code(order, schema, source, bounding, sealer.write)
        kept = bounding.kept()
    else:  # which rows a unit keeps is known at the end of the file
        spool = Spool(Path(order.out).parent)
        numbered = _code(order, schema, source, bounding, spool.write)
        kept = bounding.kept()
        counts = _copy(spool, kept, schema.stored, sealer, searched=numbered.keys())
        numbered = texts.in_use(numbered, counts)
    return {"rows_read": len(kept), "rows_kept": int(kept.sum())}, numbered


def _seal_units(order: Order, schema: Schema, source: io.BufferedReader, sealer: sealing.Sealer) -> dict[str, Any]:
    """Related tables: one row a unit, with its members beside it."""
    assert schema.related is not None
    found = gathering.gather(
        schema.related, source, delimiter=schema.delimiter, missing=schema.missing_values,
        limits=order.limits, most_bytes=order.memory_bytes, key=secrets.token_bytes(32),
    )  # fmt: skip
    chunks = Chunking(sealer.write, schema.stored)
    for piece in found.pieces:
        chunks.add(piece)
    chunks.close()
    return {"rows_read": found.rows, "rows_kept": found.kept, "tables": found.tables, "closed": found.closed}


def _bounding(schema: Schema, *, key: bytes) -> AnyBounding:
    if schema.nesting is not None:
        return NestedBounding(schema.unit, schema.nesting, nulls=schema.null_identifiers, key=key)
    return Bounding(schema.unit, nulls=schema.null_identifiers, key=key)


def _code(
    order: Order, schema: Schema, source: IO[bytes], bounding: AnyBounding, write: Callable[[bytes], None]
) -> texts.Numbered:
    """Hand every row's codes over in chunks, and its identifier to the bounding; the texts that were numbered."""
    tally, chunks = Tally(), Chunking(write, schema.stored)
    table = tables.Table(source, delimiter=schema.delimiter, limits=order.limits, tally=tally)
    tables.check_header(table.header, schema.header, delimiter=schema.delimiter)
    coder = Coder(schema, table.header, tally)
    for number, batch in enumerate(table.batches()):
        codes = coder.code(batch.cells, batch.lines)
        _bound(bounding, schema, table.header, batch)
        if not tally:
            chunks.add(codes)
        elif number > MOST_BAD_BATCHES:
            raise UploadRefused([*tally.problems, Problem("", MORE_PROBLEMS)])
    if tally:
        raise UploadRefused(tally.problems)
    chunks.close()
    return coder.texts


def _copy(
    spool: Spool, kept: NDArray[np.bool_], domain: Domain, sealer: sealing.Sealer, *, searched: Iterable[str]
) -> dict[str, IntArray]:
    """The kept rows out of the spool; of each searched column, how many of them hold each number."""
    chunks, start = Chunking(sealer.write, domain), 0
    counts = {column: np.zeros(domain.size(column), dtype=np.int64) for column in searched}
    for record in spool.records():
        columns = unpack(record, domain)
        flags = kept[start : start + len(columns[0])]
        held = [codes[flags] for codes in columns]
        chunks.add(held)
        for column, count in counts.items():
            count += np.bincount(held[domain.index(column)], minlength=len(count))
        start += len(flags)
    chunks.close()
    return counts


def _bound(bounding: AnyBounding, schema: Schema, header: list[str], batch: tables.Batch) -> None:
    """Tell the bounding whose rows these are."""
    columns = [_identifiers(schema, batch.cells[header.index(name)]) for name in schema.identifiers]
    if isinstance(bounding, NestedBounding):
        bounding.add_all(columns)
    elif columns:
        bounding.add_all(*columns[0])
    else:
        bounding.add_units(len(batch))


def _identifiers(schema: Schema, cells: Cells) -> Identifiers:
    names = [text.strip() for text in cells.dictionary.to_pylist()]
    return [None if name in schema.missing_values else name for name in names], cells.indices.to_numpy()


def limit_this_process(order: Order) -> None:
    """Past these the kernel refuses memory or ends the process; core dumps would write rows to a disk."""
    resource.setrlimit(resource.RLIMIT_AS, (order.memory_bytes, order.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (order.seconds, order.seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    order = Order.from_json(sys.stdin.buffer.readline())
    limit_this_process(order)
    try:
        answer = run(order, sys.stdin.buffer)
    except ProblemsFound as found:
        answer = {"problems": [problem.to_json() for problem in found.problems]}
    except MemoryError:
        answer = {"problems": [Problem("", "the file needs more memory than one upload may use").to_json()]}
    except Exception:
        os._exit(3)  # no message and no traceback: either could quote a cell
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
