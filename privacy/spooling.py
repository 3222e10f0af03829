"""A file for what one process must read twice: sealed to a key that never leaves its memory, and without a name.

It vanishes with the process, however that ends; what lies on the disk until then opens for nobody else.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from privacy import sealing

CONTEXT = b"spool"


class Spool:
    """Records written once, then read once in their order."""

    def __init__(self, folder: Path) -> None:
        self._key = X25519PrivateKey.generate()
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed after reading, or with the process
        self._sealer = sealing.Sealer(self._file, self._key.public_key(), context=CONTEXT)
        self.write = self._sealer.write

    def records(self) -> Iterator[bytes]:
        self._sealer.close(durable=False)
        self._file.seek(0)
        with self._file:
            yield from sealing.opened(self._file, self._key, context=CONTEXT)

    def close(self) -> None:
        """Give the file up, read or not."""
        self._file.close()


class SpoolReader(io.RawIOBase):
    """What was written to a spool, as one stream of bytes from the start to the end."""

    def __init__(self, spool: Spool) -> None:
        self._spool, self._records, self._rest = spool, spool.records(), memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            record = next(self._records, None)
            if record is None:
                return 0
            self._rest = memoryview(record)
        taken = min(len(buffer), len(self._rest))
        buffer[:taken], self._rest = self._rest[:taken], self._rest[taken:]
        return taken

    def close(self) -> None:
        self._spool.close()
        super().close()
