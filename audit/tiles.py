"""A log as static files that outside tools read: C2SP tlog-tiles. Pure.

``tile/<level>/<number>`` holds up to 256 hashes, ``tile/entries/<number>`` the entries under the same hashes
of level 0; a tile that is not full says in its name how wide it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from audit.merkle import root

WIDTH = 256
LONGEST_ENTRY = 2**16 - 1
CHECKPOINT = "checkpoint"


def files(lines: Sequence[bytes], hashes: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Path and content of every file for these entries and their leaf hashes; ValueError as ``check``."""
    check(lines)
    yield from _tiles("entries", [len(entry).to_bytes(2, "big") + entry for entry in lines])
    level, row = 0, list(hashes)
    while row:
        yield from _tiles(str(level), row)
        full = len(row) // WIDTH
        row = [root(row[at * WIDTH : (at + 1) * WIDTH]) for at in range(full)]
        level += 1


def check(lines: Iterable[bytes]) -> None:
    """Raise ValueError, naming the entry, when one is longer than the format can hold (65,535 bytes)."""
    for number, entry in enumerate(lines):
        if len(entry) > LONGEST_ENTRY:
            raise ValueError(f"entry {number} is longer than {LONGEST_ENTRY} bytes, the most a tile can hold")


def _tiles(level: str, parts: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    for number, start in enumerate(range(0, len(parts), WIDTH)):
        tile = parts[start : start + WIDTH]
        partial = f".p/{len(tile)}" if len(tile) < WIDTH else ""
        yield f"tile/{level}/{_number(number)}{partial}", b"".join(tile)


def _number(number: int) -> str:
    """1234067 as x001/x234/067, so that no file stands where a folder must."""
    last, rest = f"{number % 1000:03d}", number // 1000
    while rest:
        last, rest = f"x{rest % 1000:03d}/{last}", rest // 1000
    return last
