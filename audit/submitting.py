"""Handing one checkpoint to one witness, each kind in its own way, and checking what comes back."""

from __future__ import annotations

import http.client
import smtplib
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage

from audit import durable, notes, timestamps
from audit.cosignatures import newest
from audit.errors import AuditError
from audit.merkle import Frontier, consistency_from
from audit.models import LogEntry
from audit.notes import Checkpoint, NoteError, Signatures
from audit.receipts import COSIGNATURE, TIMESTAMP, Seen
from audit.witness_book import Request
from audit.witnesses import Witness

Proof = tuple[str, bytes] | None
"""What a witness gave back: its kind, and its bytes; None from those who only keep a copy."""
MOST_BYTES = 256 * 1024
TRIES = 3


class WitnessFailed(AuditError):
    """A witness did not take a checkpoint; the message names no more than the rule."""


class Ahead(WitnessFailed):
    """The witness holds a larger checkpoint already."""

    def __init__(self, size: int) -> None:
        super().__init__(f"it has signed {size} entries, more than it was shown")
        self.size = size


def send(witness: Witness, note: bytes, signed: Checkpoint, seen: Seen) -> tuple[Proof, Frontier]:
    """Hand the checkpoint over; what came back, checked, and the tree to go on from. Raises WitnessFailed."""
    try:
        match witness.kind:
            case "cosigner":
                return _cosigned(witness, note, signed, seen)
            case "folder":
                return _copied(Path(witness.target), note, signed), Frontier()
            case "mail":
                return _mailed(witness.target, note, signed), Frontier()
            case "timestamp":
                return _stamped(witness, signed), Frontier()
    except (OSError, http.client.HTTPException, smtplib.SMTPException) as error:
        raise WitnessFailed(f"it cannot be reached: {type(error).__name__}") from error


def _cosigned(witness: Witness, note: bytes, signed: Checkpoint, seen: Seen) -> tuple[Proof, Frontier]:
    known = _known(seen, signed)
    for _ in range(TRIES):
        added = leaf_hashes(known.size, signed.size)
        proof = consistency_from(known, added) if known.size else []
        body = Request(known.size, proof, note).to_bytes()
        status, reply = _post(f"{witness.target}/add-checkpoint", body, "text/plain")
        if status == 200:
            return (COSIGNATURE, _own_line(witness, signed, reply)), _grown(known, added, signed)
        if status != 409:
            raise WitnessFailed(f"it answered {status}")
        known = _conflicting(reply, known, signed)
    raise WitnessFailed("it names another size at every try")


def _known(seen: Seen, signed: Checkpoint) -> Frontier:
    """The tree the witness is remembered to hold; the empty one where it must be asked: it names its size then."""
    if seen.size > signed.size:
        return Frontier()
    try:
        return Frontier.from_bytes(seen.size, bytes.fromhex(seen.frontier))
    except ValueError:
        return Frontier()


def _conflicting(reply: bytes, known: Frontier, signed: Checkpoint) -> Frontier:
    """The tree at the size the witness says it has signed."""
    text = reply.decode(errors="replace").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise WitnessFailed("it answered 409 without a size")
    if (size := int(text)) == known.size:
        raise WitnessFailed(f"it has signed another history of {size} entries")
    if size > signed.size:
        raise Ahead(size)
    return Frontier.of(leaf_hashes(0, size))


def _grown(known: Frontier, added: list[bytes], signed: Checkpoint) -> Frontier:
    for leaf in added:
        known = known.with_leaf(leaf)
    if known.root() != signed.root:
        raise WitnessFailed("the entries do not have the root of this checkpoint")
    return known


def _own_line(witness: Witness, signed: Checkpoint, reply: bytes) -> bytes:
    """Its signature line alone, checked; lines by keys one does not know are not kept."""
    if witness.key is None:
        raise WitnessFailed("its key is not known")
    try:
        given = Signatures.parse(reply.decode())
        if newest(signed.text(), given, witness.key) is None:
            raise WitnessFailed("it answered without a cosignature by its key")
    except (NoteError, UnicodeDecodeError) as error:
        raise WitnessFailed("its cosignature does not hold") from error
    lines = (notes.signature_line(witness.key.name, witness.key.id, one) for one in given.by(witness.key))
    return "".join(lines).encode()


def _copied(folder: Path, note: bytes, signed: Checkpoint) -> Proof:
    # A missing folder is not made: it may be a share that is not mounted.
    place = folder / f"{signed.size:012d}.note"
    try:
        kept = notes.parts(place.read_bytes())[0]
    except FileNotFoundError:
        durable.write(place, note)
        return None
    except NoteError as error:
        raise WitnessFailed("its copy of this checkpoint is damaged") from error
    if kept != signed.text():
        raise WitnessFailed(f"it holds another history of {signed.size} entries")
    return None


def _mailed(address: str, note: bytes, signed: Checkpoint) -> Proof:
    text = (
        f"The attached checkpoint says what the log held: {signed.size} entries.\n"
        "Keep it. Whether a later log still holds it is told by\n"
        "'python -m audit.verify EXPORT --key PUB --checkpoint FILE'.\n"
    )
    message = EmailMessage(f"Checkpoint of {signed.origin}: {signed.size} entries", text, to=[address])
    message.attach(f"{signed.size:012d}.note", note, "application/octet-stream")
    message.send()
    return None


def _stamped(witness: Witness, signed: Checkpoint) -> Proof:
    if not timestamps.available() or witness.authority is None:
        raise WitnessFailed("timestamps need the package rfc3161-client and the authority's certificate")
    text = signed.text().encode()
    query, nonce = timestamps.request(text)
    status, reply = _post(witness.target, query, timestamps.QUERY)
    if status != 200:
        raise WitnessFailed(f"it answered {status}")
    try:
        timestamps.verified(reply, text, witness.authority.read_bytes(), nonce)
    except timestamps.TimestampError as error:
        raise WitnessFailed(str(error)) from error
    return TIMESTAMP, reply


def _post(url: str, body: bytes, kind: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    line = connect(parts.hostname or "", parts.port, timeout=settings.WITNESS_SECONDS)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        line.request("POST", path, body, {"Content-Type": kind})
        reply = line.getresponse()
        return reply.status, reply.read(MOST_BYTES)
    finally:
        line.close()


def leaf_hashes(start: int, stop: int) -> list[bytes]:
    """The hashes of the entries from ``start`` to before ``stop``."""
    found = LogEntry.objects.filter(index__gte=start, index__lt=stop).order_by("index")
    return [bytes(one) for one in found.values_list("leaf_hash", flat=True).iterator(chunk_size=5000)]
