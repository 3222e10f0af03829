"""What a witness remembers of each log, and the rules by which it signs (C2SP tlog-witness). Pure.

One file per log holds the newest checkpoint it cosigned. It is on the disk before the cosignature is
given away, so that no crash lets the witness sign a second history of the same size.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from audit import durable, notes
from audit.cosignatures import cosign
from audit.merkle import HASH_BYTES, Frontier, verify_consistency
from audit.notes import Checkpoint, NoteError, PrivateKey, PublicKey

MOST_PROOF_LINES = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Reply:
    """A status of HTTP and a body; for a conflict the body is the size the witness has signed."""

    status: int
    body: str


class Refused(Exception):
    """The request will not be signed; carries the reply."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(body)
        self.reply = Reply(status, body)


@dataclass(frozen=True, slots=True)
class Request:
    """A submitted checkpoint, the size it is said to have grown from, and the proof that it did."""

    old: int
    proof: list[bytes]
    note: bytes

    @classmethod
    def parse(cls, body: bytes) -> Request:
        """Read a request strictly; raises Refused (400)."""
        head, found, note = body.partition(b"\n\n")
        try:
            first, *proof = head.decode().split("\n")
            old = _OLD.fullmatch(first)
            hashes = [notes.unb64(line) for line in proof]
        except (UnicodeDecodeError, NoteError) as error:
            raise Refused(400, "the lines before the checkpoint are malformed") from error
        if not found or old is None or len(proof) > MOST_PROOF_LINES:
            raise Refused(400, "a request is: old and a size, at most 63 hashes, an empty line, a checkpoint")
        if any(len(one) != HASH_BYTES for one in hashes):
            raise Refused(400, "a hash of the proof does not have 32 bytes")
        return cls(int(old[1]), hashes, note)

    def to_bytes(self) -> bytes:
        lines = [f"old {self.old}", *map(notes.b64, self.proof)]
        return "\n".join(lines).encode() + b"\n\n" + self.note


@dataclass(slots=True)
class Book:
    """The folder of one witness. One process at a time may hold it; RuntimeError for a second one."""

    folder: Path
    key: PrivateKey
    logs: dict[str, list[PublicKey]]
    _alone: threading.Lock = field(default_factory=threading.Lock)
    _held: int = -1

    @classmethod
    def opened(cls, folder: Path, key: PrivateKey, logs: Iterable[PublicKey]) -> Book:
        known: dict[str, list[PublicKey]] = {}
        for one in logs:
            known.setdefault(one.name, []).append(one)
        book = cls(folder, key, known)
        book._held = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(book._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RuntimeError("another process is the witness of this folder") from error
        return book

    def add_checkpoint(self, body: bytes) -> Reply:
        """Check, persist, and only then give the cosignature."""
        try:
            request = Request.parse(body)
            submitted = self._authentic(request)
            with self._alone:
                _follows(request, submitted, self.latest(submitted.origin))
                line = cosign(submitted.text(), self.key, int(time.time()))
                self.keep(submitted.origin, request.note + line.encode())
        except Refused as refused:
            return refused.reply
        return Reply(200, line)

    def latest(self, origin: str) -> Checkpoint:
        """The newest checkpoint that was cosigned; of a log never seen, the empty one. OSError when unreadable."""
        try:
            note = self._place(origin).read_bytes()
        except FileNotFoundError:
            return Checkpoint(origin, 0, Frontier().root())
        return Checkpoint.of_text(notes.parts(note)[0], self.logs[origin][0])

    def keep(self, origin: str, note: bytes) -> None:
        """On the disk, not only in its cache, when this returns."""
        durable.write(self._place(origin), note)

    def _place(self, origin: str) -> Path:
        return self.folder / f"{hashlib.sha256(origin.encode()).hexdigest()[:32]}.note"

    def _authentic(self, request: Request) -> Checkpoint:
        try:
            text, _ = notes.parts(request.note)
            keys = self.logs.get(text.split("\n")[0])
            if keys is None:
                raise Refused(404, "this log is not known here")
            submitted = Checkpoint.of_text(text, keys[0])
        except NoteError as error:
            raise Refused(400, str(error)) from error
        if not any(_signed(request.note, key) for key in keys):
            raise Refused(403, "no signature by a key of this log holds")
        return submitted


def _signed(note: bytes, key: PublicKey) -> bool:
    try:
        notes.opened(note, key)
    except NoteError:
        return False
    return True


def _follows(request: Request, submitted: Checkpoint, latest: Checkpoint) -> None:
    """Raise Refused unless the checkpoint is the latest one, or provably grew from it."""
    if request.old > submitted.size:
        raise Refused(400, "the old size is larger than the checkpoint")
    if request.old != latest.size:
        raise Refused(409, f"{latest.size}\n")
    if submitted.size == latest.size and submitted.root != latest.root:
        raise Refused(409, f"{latest.size}\n")
    if not _proven(request, submitted, latest):
        raise Refused(422, "the consistency proof does not hold")


def _proven(request: Request, submitted: Checkpoint, latest: Checkpoint) -> bool:
    if latest.size == 0:  # every tree grew from the empty one, and there is nothing to prove
        return not request.proof
    return verify_consistency(latest.size, latest.root, submitted.size, submitted.root, request.proof)
