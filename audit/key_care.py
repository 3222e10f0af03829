"""Turning to new keys of the log, and saying which there are. Each turn is an entry of the log.

A turn that was interrupted is finished by asking for it again; until then the old key stays in force.
"""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from audit import bodies, durable, events, keys, log, rotations
from audit.errors import AuditError
from audit.models import Body, LogEntry
from audit.notes import PrivateKey, PublicKey

AT_ONCE = 100
"""Bodies that are sealed again in one transaction."""


def rotate_signing(*, by: str) -> PublicKey:
    """Hand over to a new signing key of the same name, and anchor a checkpoint signed by it. The new public key.

    Raises LogUnavailable when the log is not whole; nothing has changed then.
    """
    log.check_whole()
    with alone():
        place = keys.folder() / keys.NEXT
        old = keys.signing()
        new = begun(place, old.name)
        keep_statement(keys.STATEMENTS, old, new)
        facts = {"old_key": str(old.public), "new_key": str(new.public)}
        events.append(
            action="audit:key:rotated", by=by, subject="log:key", facts=facts, event_id=f"log-key:{new.public.id.hex()}"
        )
        durable.write(keys.folder() / keys.PUBLIC, f"{new.public}\n".encode())
        place.replace(keys.folder() / keys.SIGNING)
        durable.sync(keys.folder())
    log.checkpoint()
    return new.public


def half_done() -> bool:
    """Whether a turn to a new signing key was begun and not finished."""
    return (keys.folder() / keys.NEXT).exists()


def rotate_bodies(*, by: str) -> str:
    """Add a new body key, with which every body from now on is sealed; its id. Older bodies keep their key."""
    log.check_whole()
    with alone():
        place = keys.folder() / keys.BODIES
        old = _newest_body_key()
        durable.write(place, f"{place.read_text().rstrip()}\n{secrets.token_hex(32)}\n".encode())
        facts = {"old_key": old, "new_key": _newest_body_key()}
        events.append(action="audit:key:body_rotated", by=by, subject="log:key", facts=facts)
    return facts["new_key"]


def reseal(*, by: str) -> int:
    """Seal every body with the newest body key; how many were sealed again. Their hashes in the log stay true."""
    newest, sealed = _newest_body_key(), 0
    older = Body.objects.exclude(key_id=newest).exclude(erased=True).values_list("pk", flat=True)
    names = list(older)
    for start in range(0, len(names), AT_ONCE):
        with transaction.atomic(using=log.ALIAS):
            for body in Body.objects.select_for_update().filter(pk__in=names[start : start + AT_ONCE], erased=False):
                bodies.seal_again(body)
                sealed += 1
    if sealed:
        facts = {"key": newest, "bodies": sealed}
        events.append(action="audit:key:resealed", by=by, subject="log:key", facts=facts)
    return sealed


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One key: its fingerprint, the day it was first in force, and what it is used for. Never the key."""

    kind: str
    fingerprint: str
    since: str
    use: str


def listed() -> list[KnownKey]:
    """Every key of the log, oldest first of each kind."""
    began = _began()
    signing = keys.publics()
    known = [
        KnownKey("signing", key.id.hex(), began.get(str(key), ""), "in force" if key == signing[-1] else "retired")
        for key in signing
    ]
    for name in keys.body_keys():
        held = Body.objects.filter(key_id=name, erased=False).count()
        use = f"{'in force, ' if name == _newest_body_key() else ''}{held} bodies"
        known.append(KnownKey("bodies", name, began.get(name, ""), use))
    return known


def _began() -> dict[str, str]:
    """When each key that followed another came into force; the first ones are as old as the log."""
    found = LogEntry.objects.filter(action__in=("audit:key:rotated", "audit:key:body_rotated")).order_by("index")
    leaves = [log.entry(index) for index in found.values_list("index", flat=True)]
    began = {str(leaf.facts["new_key"]): leaf.time for leaf in leaves}
    first = log.entry(0).time if log.size() else ""
    return {str(keys.publics()[0]): first, next(iter(keys.body_keys())): first} | began


def _newest_body_key() -> str:
    return list(keys.body_keys())[-1]


def begun(place: Path, name: str) -> PrivateKey:
    """The key that follows, which an interrupted turn left at ``place``, or a new one of this name."""
    if not place.exists():
        durable.write(place, f"{PrivateKey.make(name).secret_text()}\n".encode())
    return PrivateKey.parse(place.read_text())


def keep_statement(name: str, old: PrivateKey, new: PrivateKey) -> None:
    """Into the folder of this name among the keys."""
    folder = keys.folder() / name
    folder.mkdir(exist_ok=True, mode=0o700)
    statement, known = rotations.signed(old, new), keys.statements(name)
    if statement not in known:  # it is there already where a turn was interrupted
        durable.write(folder / f"{len(known) + 1:04d}.note", statement)


@contextmanager
def alone() -> Iterator[None]:
    """One process at a time turns to new keys. Raises AuditError."""
    with (keys.folder() / ".turning").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AuditError("another process is turning to a new key") from error
        yield
