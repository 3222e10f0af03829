"""What each witness was handed and what it gave back, kept beside the anchors.

Files and not rows, because they testify about the database: they lie on the anchors' volume, outlive a
database that is restored from an older state, and each is checked on its own, by hand if need be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from django.utils import timezone

from audit import anchors, canonical, durable
from audit.leaves import time_text

COSIGNATURE, TIMESTAMP = "cosig", "tsr"
STATE = "state.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest checkpoint a witness holds: its size, when it got it, and the tree up to there, to go on from.

    ``problem`` says why it has not taken a newer one, ``since`` from when on; both are empty while it answers.
    """

    size: int = 0
    at: str = ""
    frontier: str = ""
    problem: str = ""
    since: str = ""


def seen(witness: str) -> Seen:
    """What is remembered of a witness; nothing where nothing can be read, which it will then correct itself."""
    try:
        return Seen(**canonical.loads((_folder(witness) / STATE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return Seen()


def took(witness: str, size: int, frontier: bytes, proof: tuple[str, bytes] | None) -> None:
    """Keep what a witness gave (its kind and bytes) for the checkpoint of this size. Raises OSError."""
    _folder(witness).mkdir(parents=True, exist_ok=True, mode=0o700)
    if proof is not None:
        durable.replace(_folder(witness) / f"{size:012d}.{proof[0]}", proof[1])
    _keep(witness, Seen(size, time_text(timezone.now()), frontier.hex()))


def failed(witness: str, problem: str) -> None:
    """Remember that a witness did not take a checkpoint, and since when it does not."""
    _folder(witness).mkdir(parents=True, exist_ok=True, mode=0o700)
    before = seen(witness)
    _keep(witness, replace(before, problem=problem, since=before.since or time_text(timezone.now())))


def proofs(kind: str) -> Iterator[tuple[str, int, bytes]]:
    """Everything kept of one kind: witness, size, bytes. In the order of names and sizes."""
    for path in sorted(_all().glob(f"*/[0-9]*.{kind}")):
        yield path.parent.name, int(path.stem), path.read_bytes()


def _keep(witness: str, state: Seen) -> None:
    durable.write(_folder(witness) / STATE, canonical.dumps(asdict(state)))


def _all() -> Path:
    return anchors.folder() / "witnesses"


def _folder(witness: str) -> Path:
    return _all() / witness
