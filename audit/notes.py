"""Signed notes and checkpoints as C2SP specifies them (signed-note, tlog-checkpoint), with Ed25519.

A note is text, an empty line, and one line per signature. A checkpoint is a note of three lines: the
log's name (its origin), its size, its root. Decoding is strict: one spelling, or refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import ClassVar, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_DASH = "\u2014"


class NoteError(ValueError):
    """A key, a note or a checkpoint that is malformed, or a signature that does not hold."""


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unb64(text: str) -> bytes:
    """Decode base64, refusing every spelling but the one ``b64`` writes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("base64 is malformed") from error
    if b64(data) != text:
        raise NoteError("base64 is not in its one canonical spelling")
    return data


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A log's name and Ed25519 key; written as ``name+id+base64``."""

    name: str
    raw: bytes
    kind: ClassVar[bytes] = _ED25519
    """The type of signature the key makes, as the note format numbers them."""

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or any(mark.isspace() for mark in self.name):
            raise NoteError("a key name is not empty and holds neither spaces nor '+'")
        if len(self.raw) != 32:
            raise NoteError("an Ed25519 public key has 32 bytes")

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.raw).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64(self.kind + self.raw)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise NoteError("a public key reads name+id+base64")
        data = unb64(parts[2])
        key = cls(parts[0], data[1:])
        if data[:1] != cls.kind or key.id.hex() != parts[1]:
            raise NoteError("the public key does not match its own id")
        return key

    def holds(self, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """The signing half; written as ``PRIVATE+KEY+name+id+base64`` and never shown in a repr."""

    name: str
    _seed: bytes

    @classmethod
    def make(cls, name: str) -> PrivateKey:
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.name, self._key().public_key().public_bytes_raw())

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._seed)

    def sign(self, message: bytes) -> bytes:
        return self._key().sign(message)

    def secret_text(self) -> str:
        return f"PRIVATE+KEY+{self.name}+{self.public.id.hex()}+{b64(_ED25519 + self._seed)}"

    def __repr__(self) -> str:
        return f"PrivateKey({self.name})"

    @classmethod
    def parse(cls, text: str) -> PrivateKey:
        parts = text.strip().split("+", 4)
        if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
            raise NoteError("a private key reads PRIVATE+KEY+name+id+base64")
        data = unb64(parts[4])
        if data[:1] != _ED25519 or len(data) != 33:
            raise NoteError("an Ed25519 private key has 32 bytes")
        key = cls(parts[2], data[1:])
        if key.public.id.hex() != parts[3]:
            raise NoteError("the private key does not match its own id")
        return key


def sign(text: str, key: PrivateKey) -> bytes:
    """The note: ``text`` (ending in a newline) and this key's signature."""
    if not text.endswith("\n"):
        raise NoteError("the text of a note ends with a newline")
    return f"{text}\n{signature_line(key.name, key.public.id, key.sign(text.encode()))}".encode()


def opened(note: bytes, key: PublicKey) -> str:
    """The text of a note signed by ``key``; signatures by unknown keys are ignored. Raises NoteError."""
    text, signatures = parts(note)
    ours = signatures.by(key)
    if len(ours) != 1:
        raise NoteError(f"{len(ours)} signatures by {key.name}, where one is needed")
    if not key.holds(ours[0], text.encode()):
        raise NoteError(f"the signature by {key.name} does not hold")
    return text


@dataclass(frozen=True, slots=True)
class Signatures:
    """The signature lines of a note, unchecked: each a name, and a key id with the signature after it."""

    lines: tuple[tuple[str, bytes], ...]

    @classmethod
    def parse(cls, text: str) -> Signatures:
        """Read whole lines; NoteError when one is malformed or the last has no end."""
        if not text.endswith("\n"):
            raise NoteError("a signature line ends with a newline")
        return cls(tuple(map(_signature, text[:-1].split("\n"))))

    def by(self, key: PublicKey) -> list[bytes]:
        """The signatures under this key's name and id, without the id."""
        return [data[4:] for name, data in self.lines if name == key.name and data[:4] == key.id]


def parts(note: bytes) -> tuple[str, Signatures]:
    """The text of a note and its signature lines, with nothing checked but their form. Raises NoteError."""
    try:
        text, found, signatures = note.decode().rpartition("\n\n")
    except UnicodeDecodeError as error:
        raise NoteError("a note is UTF-8 text") from error
    if not found:
        raise NoteError("a note is text, an empty line, and signature lines")
    return text + "\n", Signatures.parse(signatures)


def signature_line(name: str, key_id: bytes, signature: bytes) -> str:
    return f"{_DASH} {name} {b64(key_id + signature)}\n"


def _signature(line: str) -> tuple[str, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != _DASH:
        raise NoteError("a signature line reads: dash, name, base64")
    data = unb64(parts[2])
    if len(data) < 5:
        raise NoteError("a signature line is too short")
    return parts[1], data


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log signs: its origin, how many entries it has, and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64(self.root)}\n"

    def signed(self, key: PrivateKey) -> bytes:
        return sign(self.text(), key)

    @classmethod
    def opened(cls, note: bytes, key: PublicKey) -> Checkpoint:
        """Read and check a signed checkpoint of the log this key belongs to. Raises NoteError."""
        return cls.of_text(opened(note, key), key)

    @classmethod
    def of_text(cls, text: str, key: PublicKey) -> Checkpoint:
        """Read the text of a checkpoint whose signature was checked already. Raises NoteError."""
        lines = text.split("\n")
        if len(lines) != 4 or not lines[1].isascii() or not lines[1].isdigit():
            raise NoteError("a checkpoint is three lines: origin, size, root")
        found = cls(lines[0], int(lines[1]), unb64(lines[2]))
        if found.text() != text or found.origin != key.name or len(found.root) != 32:
            raise NoteError("a checkpoint must be in canonical form and name the log of its key")
        return found
