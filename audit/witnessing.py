"""Every witness gets every new checkpoint: in rounds, before an export, and, where required, before a prompt."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from audit import anchors, events, keys, log, receipts, submitting, witnesses
from audit.errors import LogUnavailable
from audit.leaves import time_of
from audit.notes import Checkpoint
from audit.submitting import Ahead, WitnessFailed
from audit.witnesses import Witness

GIVE_PROOF = ("cosigner", "timestamp")


def submit_newest() -> int:
    """One round: the newest anchored checkpoint to every witness that is due; how many took it.

    A witness that fails is remembered and logged, and holds up no other.
    """
    note = anchors.latest_note()
    if note is None:
        return 0
    signed = keys.opened(note)
    return sum(submit(witness, note, signed) for witness in witnesses.configured() if _due(witness, signed))


def submit_for_export(signed: Checkpoint) -> None:
    """Ask all who give something to show for it about the checkpoint that an export will end with."""
    note = signed.signed(keys.signing())
    for witness in witnesses.configured():
        if witness.kind in GIVE_PROOF:
            submit(witness, note, signed)


def require() -> None:
    """Have the newest anchor cosigned by as many witnesses as a prompt needs. Raises LogUnavailable."""
    needed = settings.WITNESSES_REQUIRED
    if needed <= 0:
        return
    cosigners = [witness for witness in witnesses.configured() if witness.kind == "cosigner"]
    agreed = sum(_cosigns_now(witness) for witness in cosigners)
    if agreed < needed:
        raise LogUnavailable(f"{agreed} witnesses cosigned the newest checkpoint, {needed} are required")


def submit(witness: Witness, note: bytes, signed: Checkpoint) -> bool:
    """Whether the witness took the checkpoint; where it begins or ceases to fail, that is an entry of the log."""
    before = receipts.seen(witness.name)
    try:
        proof, tree = submitting.send(witness, note, signed, before)
        receipts.took(witness.name, signed.size, tree.packed(), proof)
    except Ahead as ahead:
        if ahead.size <= log.size():
            return False  # another process has shown it a newer checkpoint meanwhile
        _fails(witness, before, f"{ahead}: an older state of the log was restored")
        return False
    except (WitnessFailed, OSError) as problem:
        _fails(witness, before, str(problem) if isinstance(problem, WitnessFailed) else "its receipt cannot be kept")
        return False
    if before.problem:
        _tell("answered", witness, {})
    return True


def _cosigns_now(witness: Witness) -> bool:
    """Whether it took the newest anchor; asked twice, as another process may have shown it a newer one meanwhile."""
    for _ in range(2):
        note = anchors.latest_note()
        if note is not None and submit(witness, note, keys.opened(note)):
            return True
        log.checkpoint()
    return False


def _due(witness: Witness, signed: Checkpoint) -> bool:
    seen = receipts.seen(witness.name)
    if seen.size == signed.size and not seen.problem:
        return False
    waited = not seen.at or timezone.now() - time_of(seen.at) >= timedelta(seconds=witness.every)
    return waited or bool(seen.problem)


def _fails(witness: Witness, before: receipts.Seen, problem: str) -> None:
    receipts.failed(witness.name, problem)
    if not before.problem:  # once: every entry is a new checkpoint, and so a new submission
        _tell("failed", witness, {"problem": problem})


def _tell(what: str, witness: Witness, facts: dict[str, str]) -> None:
    told = {"witness": witness.name, **facts}
    events.append(action=f"audit:witness:{what}", by="system", subject=f"witness:{witness.name}", facts=told)
