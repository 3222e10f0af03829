"""Related tables read and laid out as one row a unit, its members beside it.

Keys are known by a keyed hash while the files are read, and forgotten with the process. A unit keeps its first members
in their declared order, and units with fewer than declared are left out: both follow from the unit's own rows alone.
What is wrong with a file is told by table, column, rule and line, as for a single table.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from privacy import bundles, laying_out, tables
from privacy.bounding import UNIT_BYTES, Hashes, keyed
from privacy.coding import Coder, Tally, coded_alike
from privacy.joined import Orphans, Table, told
from privacy.leaf_reading import MOST_OF_UNIT
from privacy.leaves import Leaves
from privacy.plain_blocks import Cells
from privacy.problems import Problem, UploadRefused
from privacy.related import MOST_MEMBERS, Related
from privacy.schema_fields import Column
from privacy.values import Columns, IntArray

NUMBER = re.compile(r"-?[0-9]{1,15}")
NO_NUMBER = np.iinfo(np.int64).min
MORE_PROBLEMS = "more problems follow; the file was not read to its end"
MOST_BAD_BATCHES = 10


@dataclass
class Read:
    """One table as read: its codes (rows x measured columns), keys by column, the order of members, and lines.

    ``ends``: the column that says where rows end, if they are journeys; ``origins``: where they say that they start, in
    its codes.
    """

    ends: Column | None = None
    codes: list[NDArray[np.integer[Any]]] = field(default_factory=list)
    keys: dict[str, list[Hashes]] = field(default_factory=dict)
    numbers: list[IntArray] = field(default_factory=list)
    lines: list[IntArray] = field(default_factory=list)
    origins: list[IntArray] = field(default_factory=list)

    def order_of(self, by: Sequence[NDArray[np.integer[Any]]]) -> list[NDArray[np.integer[Any]]]:
        """What rows are ordered by, last what counts most; where it leaves them alike, the file's own order stays."""
        return [*([np.concatenate(self.numbers)] if self.numbers else []), *by]

    def hashes(self, column: str) -> NDArray[np.void]:
        joined = np.concatenate(self.keys[column])
        return joined.view(f"V{UNIT_BYTES}").ravel()


@dataclass(frozen=True)
class Gathered:
    """What was read: rows of units in all, how many of each table, and counted units in pieces of wide columns.

    ``closed``: of a journey's rows that count, those that say they start elsewhere than the one before ended.
    """

    rows: int
    kept: int
    tables: list[laying_out.Told]
    closed: int | None
    pieces: Iterator[Columns]


def gather(
    related: Related, source: io.BufferedReader, *, delimiter: str, missing: frozenset[str], limits: tables.Limits,
    most_bytes: int, key: bytes,
) -> Gathered:  # fmt: skip
    """Read every table of the bundle. UploadRefused with every problem found."""
    found, problems = _read_all(related, source, delimiter, missing, limits, most_bytes, key)
    if problems:
        raise UploadRefused(problems)
    owners, whose = _joined(related, found)
    units, members = found[related.units.name], found[related.members.name]
    order, counts = _ordered(owners, members.order_of(()), above=len(np.concatenate(units.lines)))
    below = None
    if (leaves := related.leaves) is not None:
        below = _below(leaves, found[leaves.table.name], whose, members=len(owners))
    laid = laying_out.Read(
        related, np.concatenate(units.codes), np.concatenate(members.codes), order, counts, below
    )  # fmt: skip
    return Gathered(len(counts), len(laid.enough), *laid.told, laid.pieces())


def _below(leaves: Leaves, read: Read, whose: IntArray, *, members: int) -> laying_out.Below:
    """The leaves of every member in their order."""
    codes = np.concatenate(read.codes)
    by = [codes[:, leaves.table.schema.domain.index(leaves.ordered_by)]] if leaves.ordered_by else []
    origins = np.concatenate(read.origins) if read.origins else None
    return laying_out.Below(leaves, codes, *_ordered(whose, read.order_of(by), above=members), origins)


def _read_all(
    related: Related, source: io.BufferedReader, delimiter: str, missing: frozenset[str], limits: tables.Limits,
    most_bytes: int, key: bytes,
) -> tuple[dict[str, Read], list[Problem]]:  # fmt: skip
    by_file, found, problems = {table.file: table for table in related.tables}, dict[str, Read](), list[Problem]()
    for name, content in bundles.opened(source, most=most_bytes):
        table = by_file.get(name)
        if table is None:
            problems.append(Problem("", f"there is a file that no table declares; declared are {', '.join(by_file)}"))
        elif table.name in found:
            problems.append(Problem("", f"table {table.name}: {table.file} is there twice"))
        else:
            found[table.name] = Read(_ends(related, table))
            within = replace(limits, rows=limits.rows * _rows_of_unit(related, table))
            problems += _read(found[table.name], table, content, delimiter, missing, within, key)
    lacking = [table for table in related.tables if table.name not in found]
    return found, problems + [Problem("", f"table {each.name}: {each.file} is missing") for each in lacking]


def _ends(related: Related, table: Table) -> Column | None:
    """Where rows of this table end, if they are journeys."""
    leaves = related.leaves
    if leaves is None or leaves.journey is None or table is not leaves.table:
        return None
    return leaves.attributes[leaves.names[leaves.journey.to]]


def _rows_of_unit(related: Related, table: Table) -> int:
    """How many rows of a table may be read for each row of the first."""
    return (1, MOST_MEMBERS, MOST_OF_UNIT)[related.tables.index(table)]


def _read(
    read: Read, table: Table, content: IO[bytes], delimiter: str, missing: frozenset[str], limits: tables.Limits,
    key: bytes,
) -> list[Problem]:  # fmt: skip
    """Fill in one table; what is wrong with it, told as this table's."""
    tally = Tally()
    try:
        for number, batch in enumerate(_batches(read, table, content, delimiter, limits, missing, key, tally)):
            if tally and number > MOST_BAD_BATCHES:
                return [told(table.name, each) for each in (*tally.problems, Problem("", MORE_PROBLEMS))]
            read.lines.append(np.asarray(batch.lines, dtype=np.int64))
    except UploadRefused as refused:
        return [told(table.name, each) for each in (*tally.problems, *refused.problems)]
    return [told(table.name, each) for each in tally.problems]


def _batches(
    read: Read, table: Table, content: IO[bytes], delimiter: str, limits: tables.Limits, missing: frozenset[str],
    key: bytes, tally: Tally,
) -> Iterator[tables.Batch]:  # fmt: skip
    file = tables.Table(content, delimiter=delimiter, limits=limits, tally=tally)
    tables.check_header(file.header, table.columns, delimiter=delimiter)
    coder = Coder(table.schema, file.header, tally)
    for batch in file.batches():
        read.codes.append(np.stack(coder.code(batch.cells, batch.lines), axis=1))
        for column in filter(None, (table.key, table.parent_key)):
            cells = batch.cells[file.header.index(column)]
            read.keys.setdefault(column, []).append(_hashed(column, cells, batch.lines, missing, key, tally))
        if read.ends:
            read.origins.append(coded_alike(read.ends, batch.cells[file.header.index(table.origin)]))
        if table.number:
            cells = batch.cells[file.header.index(table.number)]
            read.numbers.append(_numbered(table.number, cells, batch.lines, tally))
        yield batch


def _hashed(
    column: str, cells: Cells, lines: Iterable[int], missing: frozenset[str], key: bytes, tally: Tally
) -> Hashes:
    """Two numbers for each row's key; a missing key is noted."""
    names = [text.strip() for text in cells.dictionary.to_pylist()]
    hashes = b"".join(keyed(key, b"key", name.encode()) for name in names)
    places = cells.indices.to_numpy()
    _note(column, "a key is missing", np.array([name in missing for name in names], dtype=bool)[places], lines, tally)
    return np.frombuffer(hashes, dtype=np.uint64).reshape(-1, 2)[places]


def _numbered(column: str, cells: Cells, lines: Iterable[int], tally: Tally) -> IntArray:
    """The order of members, as whole numbers."""
    texts = [text.strip() for text in cells.dictionary.to_pylist()]
    known = [int(text) if NUMBER.fullmatch(text) else NO_NUMBER for text in texts]
    numbers = np.array(known, dtype=np.int64)[cells.indices.to_numpy()]
    _note(column, "the order of members must be whole numbers", numbers == NO_NUMBER, lines, tally)
    return numbers


def _note(column: str, rule: str, wrong: NDArray[np.bool_], lines: Iterable[int], tally: Tally) -> None:
    if wrong.any():
        known = np.asarray(lines)
        for line in known[wrong].tolist():
            tally.add(column, rule, line)


def _joined(related: Related, found: dict[str, Read]) -> tuple[IntArray, IntArray]:
    """The row of each member's unit and of each leaf's member; -1 where it has none, and that is to be dropped.

    UploadRefused otherwise.
    """
    problems = [told(table.name, each) for table in related.tables for each in _repeated(table, found[table.name])]
    owners = _named(related.units, related.members, related.orphans, found, problems)
    whose = np.zeros(0, dtype=np.int64)
    if (leaves := related.leaves) is not None:
        whose = _named(related.members, leaves.table, leaves.orphans, found, problems)
    if problems:
        raise UploadRefused(problems)
    return owners, whose


def _named(above: Table, table: Table, orphans: Orphans, found: dict[str, Read], problems: list[Problem]) -> IntArray:
    """The row of the table above that each row names, or -1; where that is refused, it is noted."""
    tally, read = Tally(), found[table.name]
    keys, named = found[above.name].hashes(above.key), read.hashes(table.parent_key)
    order = np.argsort(keys)
    place = np.minimum(np.searchsorted(keys[order], named), len(keys) - 1)
    rows = np.where(keys[order][place] == named, order[place], -1)
    if orphans == "refuse":
        rule = f"a key names no row of {above.name}"
        _note(table.parent_key, rule, rows < 0, np.concatenate(read.lines), tally)
        problems += [told(table.name, each) for each in tally.problems]
    return rows


def _repeated(table: Table, read: Read) -> tuple[Problem, ...]:
    """A key that two rows of its table share."""
    tally = Tally()
    if table.key:
        _, first = np.unique(read.hashes(table.key), return_index=True)
        again = np.ones(sum(map(len, read.lines)), dtype=bool)
        again[first] = False
        _note(table.key, "a key is there twice", again, np.concatenate(read.lines), tally)
    return tally.problems


def _ordered(owners: IntArray, by: Sequence[NDArray[Any]], *, above: int) -> tuple[IntArray, IntArray]:
    """Rows that name one of so many rows ``above``, these one after another, and how many each has."""
    order = np.lexsort((*by, owners))  # stable
    return order[owners[order] >= 0], np.bincount(owners[owners >= 0], minlength=above)
