"""The only opener of raw rows. It runs in the measuring worker, which alone has the vault's private key.

What it hands out is codes, bounded to what one privacy unit may contribute; no text of the file survives, but
of columns whose categories are unknown: those texts are sealed as the codes are, for key discovery alone.
They are decrypted in memory, chunk by chunk, and never lie on a disk in the clear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy import places, sealing, selectors, texts, vault_keys, wrapping
from privacy.chunks import BrokenChunk, unpack
from privacy.errors import SealBroken
from privacy.models import DatasetVersion
from privacy.values import Columns

MOST_HELD = 2**28
"""Bytes of sealed codes that measuring holds in memory; beyond, every pass decrypts them chunk by chunk."""


def passes(version: DatasetVersion) -> Callable[[], Iterable[Columns]]:
    """What starts a pass over the counted rows of a version, each time it is called.

    The key is opened here, the rows in a pass. A table of moderate size is kept in memory from the first pass
    on; a larger one is decrypted anew, chunk by chunk. Codes are those of ``Schema.stored``. SealBroken, here or at
    any chunk up to the last, if the file is not whole: nothing that was made of a pass may be used before its end.
    """
    domain, context = selectors.schema(version.dataset).stored, str(version.pk)
    key = wrapping.open_key(places.wrapped_key(version.pk), vault_keys.private_keys(), context=context)
    path, held = places.sealed(version.pk), list[Columns]()

    def decrypted() -> Iterator[Columns]:
        with _readable(), path.open("rb") as file:
            for chunk in sealing.opened(file, key, context=context.encode()):
                yield unpack(chunk, domain)

    def kept() -> list[Columns]:
        if not held:
            held.extend(list(decrypted()))  # whole, or not at all
        return held

    with _readable():
        return decrypted if path.stat().st_size > MOST_HELD else kept


def numbered(version: DatasetVersion) -> texts.Numbered:
    """The texts of the version's columns that wait for key discovery, by number; SealBroken if they are not whole."""
    key = wrapping.open_key(places.wrapped_key(version.pk), vault_keys.private_keys(), context=str(version.pk))
    with _readable(), places.sealed_texts(version.pk).open("rb") as file:
        return texts.unpacked(sealing.opened(file, key, context=texts.context(str(version.pk))))


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except OSError:
        raise SealBroken("the sealed file of this version cannot be read") from None
    except BrokenChunk:
        raise SealBroken("the sealed file of this version does not fit its declaration") from None


def codes(version: DatasetVersion) -> NDArray[np.integer[Any]]:
    """All counted rows at once, rows x columns in the domain's order: for tables that fit in memory."""
    width = len(selectors.schema(version.dataset).domain.columns)
    stacked = [np.stack(columns, axis=1) for columns in passes(version)()]
    return np.concatenate(stacked) if stacked else np.empty((0, width), dtype=np.uint8)
