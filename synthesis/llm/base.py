"""The proposer seam: bytes of a recorded chat-completions request go in, a chat completion comes out.

Whoever answers (the embedded planner, a remote model, a recording) sees the recorded bytes and nothing else,
and its answer is only ever parsed, never followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a provider says it used; zero when no model was involved."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer as received: ``body`` is the JSON of a chat completion, byte for byte.

    ``usage`` is None where a provider does not say what it used. ``rates``: requests and tokens a minute, where told.
    """

    body: bytes
    usage: Usage | None
    seconds: float
    rates: Mapping[str, int] = field(default_factory=dict)


class ProviderError(Exception):
    """A provider could not answer; the message is fit for people and holds nothing of the request.

    ``status``: of the HTTP reply, 0 where none came; ``context``: tokens that fit, ``wait``: seconds it asks to wait;
    0 where it does not tell.
    """

    def __init__(self, reason: str, *, status: int = 0, context: int = 0, wait: int = 0) -> None:
        super().__init__(reason)
        self.status, self.context, self.wait = status, context, wait


class Provider(Protocol):
    """Anything that answers a recorded request. Raises ProviderError when there is no answer."""

    def complete(self, body: bytes) -> Completion: ...


@dataclass(frozen=True, slots=True)
class Proposal:
    """One kind of record to add: per column the codes it allows, how many records, and why.

    ``cells`` names every column of the domain; its codes form a box, the paper's unit of proposal. Inside its
    box a column follows its one-way table, unless ``chances`` says how likely each of its codes is (one
    number from 0 for every code of the column). ``weight`` is the number of records asked for: no proposal is
    given a larger share than that.
    """

    cells: Mapping[str, tuple[int, ...]]
    weight: int
    reason: str
    chances: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProposalPlan:
    """What one answer proposed, after validation.

    ``whole``: the proposals together describe all records, in the shares of their weights, and are believed
    or not as one. Otherwise each of them stands alone.
    """

    proposals: tuple[Proposal, ...] = ()
    whole: bool = False
