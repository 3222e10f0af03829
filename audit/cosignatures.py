"""What a witness adds to a checkpoint: C2SP tlog-cosignature, the Ed25519 form (cosignature/v1).

A cosignature says that at its time this was the largest tree the witness had seen of that log, grown from
every smaller one it had signed. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from audit.notes import NoteError, PrivateKey, PublicKey, Signatures, signature_line

LATEST_TIME = 2**63 - 1


@dataclass(frozen=True, slots=True)
class WitnessKey(PublicKey):
    """A witness's name and Ed25519 key. Its id differs from a log's, so neither signs in the other's place."""

    kind: ClassVar[bytes] = b"\x04"

    @classmethod
    def of(cls, key: PrivateKey) -> WitnessKey:
        return cls(key.name, key.public.raw)


def cosign(text: str, key: PrivateKey, moment: int) -> str:
    """The signature line over a checkpoint's text at ``moment``, in seconds since 1970."""
    signature = moment.to_bytes(8, "big") + key.sign(_message(text, moment))
    return signature_line(key.name, WitnessKey.of(key).id, signature)


def newest(text: str, signatures: Signatures, key: WitnessKey) -> int | None:
    """When this witness last signed this text, in seconds since 1970; None when it did not.

    Raises NoteError when a line under the witness's name and id does not hold.
    """
    times = [_time(text, signature, key) for signature in signatures.by(key)]
    return max(times, default=None)


def _time(text: str, signature: bytes, key: WitnessKey) -> int:
    moment = int.from_bytes(signature[:8], "big")
    if len(signature) != 72 or moment > LATEST_TIME:
        raise NoteError(f"a cosignature by {key.name} is a time of eight bytes and a signature of 64")
    if not key.holds(signature[8:], _message(text, moment)):
        raise NoteError(f"the cosignature by {key.name} does not hold")
    return moment


def _message(text: str, moment: int) -> bytes:
    return f"cosignature/v1\ntime {moment}\n{text}".encode()
