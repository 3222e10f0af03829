"""How a log's signing key hands over to the next: a statement signed by both, and the chain of them. Pure.

The name, and with it the log's origin, stays; the key changes. Whoever holds any key of the chain can
follow it to all others: each statement is signed by the key before it and by the key after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit import notes
from audit.notes import NoteError, PrivateKey, PublicKey

TITLE = "llmsynthor-log-key/1"


@dataclass(frozen=True, slots=True)
class Rotation:
    """One hand-over from ``old`` to ``new``, two keys of one name."""

    old: PublicKey
    new: PublicKey

    def text(self) -> str:
        return f"{TITLE}\n{self.old}\n{self.new}\n"

    @classmethod
    def opened(cls, note: bytes) -> Rotation:
        """Read a statement whose two signatures hold. Raises NoteError."""
        title, *named = notes.parts(note)[0].split("\n")[:-1]
        if title != TITLE or len(named) != 2:
            raise NoteError("a hand-over of keys is three lines: title, old key, new key")
        found = cls(*map(PublicKey.parse, named))
        if found.old.name != found.new.name or found.old == found.new:
            raise NoteError("a hand-over is between two keys of one name")
        for key in (found.old, found.new):
            if notes.opened(note, key) != found.text():
                raise NoteError("a hand-over is not in canonical form")
        return found


def signed(old: PrivateKey, new: PrivateKey) -> bytes:
    """The statement that ``new`` follows ``old``."""
    text = Rotation(old.public, new.public).text()
    line = notes.signature_line(new.name, new.public.id, new.sign(text.encode()))
    return notes.sign(text, old) + line.encode()


def chain(statements: Iterable[bytes]) -> list[PublicKey]:
    """Every key the statements name, oldest first; none for no statements. Raises NoteError where one does not link."""
    found: list[PublicKey] = []
    for rotation in map(Rotation.opened, statements):
        if found and found[-1] != rotation.old:
            raise NoteError("a hand-over does not begin with the key before it")
        found = [*(found or [rotation.old]), rotation.new]
    if len(set(found)) != len(found):
        raise NoteError("a hand-over leads back to an earlier key")
    return found


def opened_by(note: bytes, keys: Sequence[PublicKey]) -> tuple[str, PublicKey]:
    """The text of a note signed by one of these keys, the newest that signed it, and that key. Raises NoteError."""
    refused = NoteError("no key to check the signature with")
    for key in reversed(keys):
        try:
            return notes.opened(note, key), key
        except NoteError as error:
            refused = error
    raise refused


def checkpoint(note: bytes, keys: Sequence[PublicKey]) -> notes.Checkpoint:
    """A checkpoint signed by one of these keys of one log. Raises NoteError."""
    text, key = opened_by(note, keys)
    return notes.Checkpoint.of_text(text, key)
