"""A synthetic table on its way to the measuring worker: its distinct records as codes, in one file known by its hash.

The worker that opens the vault takes nothing else from synthesis. It reads plain whole numbers in the release's domain,
refuses anything else, and the charge in the ledger names the hash of what was compared.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from django.conf import settings

from privacy.values import Domain, IntArray

LARGEST = 8 * 2**30
"""Bytes of a file beyond which it is refused unread."""


class NotHandedOver(Exception):
    """The file is missing, or not the one that was handed over."""


def place(run_id: object) -> Path:
    return Path(settings.SITE_DIR) / "handover" / f"{run_id}.npy"


class Handover:
    """Takes the records of every table of a run, shard by shard, and keeps each once."""

    def __init__(self, domain: Domain) -> None:
        self._type = np.min_scalar_type(max(domain.sizes))
        self._kept = [np.empty((0, len(domain.columns)), dtype=self._type)]

    def add(self, records: IntArray) -> None:
        """Records x columns, in the domain's codes."""
        self._kept.append(np.unique(records.astype(self._type), axis=0))

    def write(self, path: Path) -> tuple[str, int]:
        """The SHA-256 of the file, and how many distinct records it holds."""
        distinct = np.unique(np.concatenate(self._kept), axis=0)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("wb") as file:
            np.save(file, distinct, allow_pickle=False)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), len(distinct)


def read(path: Path, *, sha256: str, domain: Domain) -> IntArray:
    """The records as they were handed over; NotHandedOver for any other file."""
    try:
        if path.stat().st_size > LARGEST:
            raise NotHandedOver("the synthetic table that was handed over is too large")
        content = path.read_bytes()
    except OSError:
        raise NotHandedOver("the synthetic table was not handed over") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise NotHandedOver("the synthetic table is not the one that was handed over")
    found = np.load(io.BytesIO(content), allow_pickle=False)
    fits = found.ndim == 2 and found.shape[1] == len(domain.columns) and found.dtype.kind == "u"
    if not fits or (len(found) and (found.max(axis=0) >= np.array(domain.sizes)).any()):
        raise NotHandedOver("the synthetic table that was handed over does not fit the release")
    return found.astype(np.int64)
