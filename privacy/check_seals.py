"""A check's counts without noise under a key of their own: sealed by the measuring worker, opened for one gate, ended.

The key is a file beside the database and in no backup. The web process opens with it; the vault's key, which the
measuring worker alone has, opens nothing here.
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from audit import durable
from privacy import places, sealing, wrapping
from privacy.errors import SealBroken

SEALED_BYTES = 1024
"""Of what is sealed: always as many, or the length would tell how large the counts are."""


def sealed(check: object, results: Sequence[Any]) -> bytes:
    """The results, sealed for the check of this primary key, whose own key is made and on the disk before."""
    path = places.check_key(check)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    sealing.write_new(path, secrets.token_hex(sealing.KEY_BYTES), mode=0o600)
    durable.sync(path.parent)
    out = io.BytesIO()
    sealer = sealing.Sealer(out, sealing.private_key(path).public_key(), context=_context(check))
    sealer.write(json.dumps(list(results)).encode().ljust(SEALED_BYTES))
    sealer.close(durable=False)
    return out.getvalue()


def opened(check: object, kept: bytes) -> list[dict[str, Any]]:
    """The results again; empty once their key was destroyed, or where it is not."""
    try:
        key = sealing.private_key(places.check_key(check))
        records = list(sealing.opened(io.BytesIO(kept), key, context=_context(check)))
    except SealBroken:
        return []
    return [dict(one) for one in json.loads(b"".join(records))]


def end(check: object) -> None:
    """Destroy the key; nothing happens when it is gone already."""
    wrapping.destroy(places.check_key(check))


def keys() -> Iterator[str]:
    """The checks whose key is here."""
    yield from (path.stem for path in places.check_keys().glob("*.key"))


def _context(check: object) -> bytes:
    return f"exact counts of {check}".encode()
