"""Several files as one stream: a ZIP archive, or files one after another, each with a line that says how long it is.

A browser hands files over one by one; a client that has an archive sends it as it is. Names are those of files alone,
folders aside, and are never repeated in a message.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import IO, Any

from privacy.problems import Problem, UploadRefused

MAGIC = b"files one after another\n"
ZIPPED = b"PK\x03\x04"
LONGEST_LINE = 4096
ENCRYPTED = 1
MISFRAMED = "each of several files needs a line before it with its name and its size in bytes, and all of those bytes"
NOT_SEVERAL = "related tables are sent as one CSV file for each table, or as one ZIP archive of them"


class Bundle(io.RawIOBase):
    """Files with their names and sizes, to be read once as one stream; in the order of names, whatever theirs was."""

    def __init__(self, files: Sequence[tuple[str, int, IO[bytes]]]) -> None:
        self._parts = self._pieces(sorted(files, key=lambda file: file[0]))
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._parts, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        taken = min(len(buffer), len(self._rest))
        buffer[:taken], self._rest = self._rest[:taken], self._rest[taken:]
        return taken

    @staticmethod
    def _pieces(files: Sequence[tuple[str, int, IO[bytes]]]) -> Iterator[bytes]:
        yield MAGIC
        for name, size, content in files:
            yield json.dumps([name[:200], size]).encode() + b"\n"
            while piece := content.read(2**20):
                yield piece


class _Within(io.RawIOBase):
    """The next so many bytes of a stream."""

    def __init__(self, source: IO[bytes], size: int) -> None:
        self._source, self.left = source, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._source.read(min(len(buffer), self.left))
        buffer[: len(found)] = found
        self.left -= len(found)
        return len(found)


def opened(source: io.BufferedReader, *, most: int) -> Iterator[tuple[str, IO[bytes]]]:
    """Each file's name and content, which must be read before the next is asked for.

    UploadRefused where the stream is no bundle, or an archive that holds more than ``most`` bytes.
    """
    start = source.peek(len(MAGIC))
    if start.startswith(ZIPPED):
        yield from _archived(source, most)
    elif start.startswith(MAGIC):
        source.readline()
        yield from _framed(source)
    else:
        raise UploadRefused([Problem("", NOT_SEVERAL)])


def _framed(source: io.BufferedReader) -> Iterator[tuple[str, IO[bytes]]]:
    while line := source.readline(LONGEST_LINE):
        name, size = _headed(line)
        within = _Within(source, size)
        yield _plain(name), io.BufferedReader(within)
        while within.read(2**20):  # what its reader left
            pass
        if within.left:
            raise UploadRefused([Problem("", MISFRAMED)])


def _headed(line: bytes) -> tuple[str, int]:
    """The name and size that stand before a file; UploadRefused where anything else does."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    match found:
        case [str(name), int(size)] if size >= 0 and not isinstance(size, bool):
            return name, size
    raise UploadRefused([Problem("", MISFRAMED)])


def _archived(source: IO[bytes], most: int) -> Iterator[tuple[str, IO[bytes]]]:
    """Out of an archive that is held in memory: its list of files stands at its end."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(source.read()))
        members = [one for one in archive.infolist() if not one.is_dir() and "__MACOSX" not in one.filename]
        if any(one.flag_bits & ENCRYPTED for one in members):
            raise UploadRefused([Problem("", "the archive is encrypted")])
        if sum(one.file_size for one in members) > most:
            raise UploadRefused([Problem("", f"the files of the archive are larger than {most} bytes")])
        for one in members:
            with archive.open(one) as content:  # gives no more than the size it declares
                yield _plain(one.filename), content
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError):
        raise UploadRefused([Problem("", "the archive is damaged, or packed in a way that is not known")]) from None


def _plain(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name
