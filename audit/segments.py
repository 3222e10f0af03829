"""The five kinds of text a prompt may be made of, and the prompt itself.

Each kind says where its text came from, so that everything that ever left can be traced to a reviewed
template, a declared fact, a released statistic, a synthetic quantity, or a text somebody approved.
Nothing here imports Django.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from audit import canonical

Role = Literal["system", "developer", "user"]
ROLES: tuple[Role, ...] = ("system", "developer", "user")


class UnfitSegment(TypeError):
    """A prompt part that is not one of the five kinds, or is filled with the wrong kind of value."""


def _need(kind: type, **values: object) -> None:
    for name, value in values.items():
        if type(value) is not kind:
            raise UnfitSegment(f"{name} must be {kind.__name__}, not {type(value).__name__}")
        if kind is str and name in _ORIGINS and not value:
            raise UnfitSegment(f"{name} may not be empty: every segment says where it came from")


_ORIGINS = frozenset({"name", "source", "release", "measurement", "origin", "approval"})


@dataclass(frozen=True, slots=True)
class Template:
    """Wording that was written and reviewed with the product; identified by the hash of its text."""

    name: str
    text: str
    type: ClassVar[str] = "TEMPLATE"

    def __post_init__(self) -> None:
        _need(str, name=self.name, text=self.text)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Declared:
    """A fact the data owner declared public; ``source`` names the declaration it is written in.

    Labels that key discovery let out name the release instead (:func:`found_in`).
    """

    value: str
    source: str
    type: ClassVar[str] = "DECLARED"

    def __post_init__(self) -> None:
        _need(str, value=self.value, source=self.source)

    @classmethod
    def of_json(cls, value: object, *, source: str) -> Declared:
        """A declared object, kept as its canonical JSON text (request parameters, an answer's schema)."""
        return cls(canonical.dumps(value, floats=True).decode(), source)


def found_in(release: str) -> str:
    """The source of labels that a release's key discovery let out."""
    return f"release:{release}:keys"


@dataclass(frozen=True, slots=True)
class DPValue:
    """One noisy integer out of a release; ``measurement`` is the ledger entry that paid for it."""

    value: int
    release: str
    measurement: str
    cell: tuple[int, ...]
    type: ClassVar[str] = "DPVALUE"

    def __post_init__(self) -> None:
        _need(int, value=self.value)
        _need(str, release=self.release, measurement=self.measurement)
        _need(tuple, cell=self.cell)
        for code in self.cell:
            _need(int, cell=code)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """An integer computed from released statistics, settings and earlier answers; ``origin`` says how."""

    value: int
    origin: str
    type: ClassVar[str] = "SYNTHETIC"

    def __post_init__(self) -> None:
        _need(int, value=self.value)
        _need(str, origin=self.origin)


@dataclass(frozen=True, slots=True)
class FreeText:
    """Text by a person, approved one by one; ``approval`` names the approval."""

    text: str
    approval: str
    type: ClassVar[str] = "FREETEXT"

    def __post_init__(self) -> None:
        _need(str, text=self.text, approval=self.approval)


def approved_with(content_hash: str) -> str:
    """The approval of a free text that was part of a request as submitted: votes bind to this hash."""
    return f"submission:{content_hash}"


def approved_at_gate_a(request: str) -> str:
    """The approval of words that a request's envelope for the question about columns holds, before it has a hash."""
    return f"request:{request}:gate:measure"


Segment: TypeAlias = Template | Declared | DPValue | Synthetic | FreeText
SEGMENT_TYPES: tuple[type[Segment], ...] = (Template, Declared, DPValue, Synthetic, FreeText)


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its text is the segments' texts, in order, with nothing between them."""

    role: Role
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A whole call: ``parameters`` and ``response_schema`` are JSON objects made by Declared.of_json."""

    model: Declared
    parameters: Declared
    response_schema: Declared | None
    messages: tuple[Message, ...]
