"""The key that signs packages: the log vouches for it at its first use, and every turn to another is an entry of it.

It signs only while it is the one that the log vouched for last. So a key that was laid in its place signs nothing, and
a package whose key the log does not know is not this site's.
"""

from __future__ import annotations

from audit import durable, events, key_care, keys, log
from audit.errors import AuditError, LogUnavailable
from audit.models import LogEntry
from audit.notes import PrivateKey, PublicKey

VOUCHED = "audit:key:packages"
NEXT, STATEMENTS, ENDED = "packages-signing.next.key", "packages-rotations", "ended"


def signing(*, by: str) -> PrivateKey:
    """The key in force, of which the log is told at its first use. LogUnavailable where the log vouches for another."""
    keys.check_apart()
    key, known = keys.packages(), vouched()
    if not known:
        _vouch("", key.public, by=by)
    elif known[-1] != str(key.public):
        raise LogUnavailable(f"{keys.PACKAGES} is not the key the log vouches for: see rotate_package_key")
    return key


def vouched() -> list[str]:
    """Every key of packages that the log vouches for, oldest first, the one in force last."""
    return [str(log.entry(index).facts["new_key"]) for index in _entries()]


def rotate(*, by: str, lost: bool = False) -> PublicKey:
    """Hand over to a new key of packages; ``lost``: without the signature of the old one, which is not there any more.

    A turn that was interrupted is finished by asking for it again. Raises AuditError, LogUnavailable.
    """
    log.check_whole()
    with key_care.alone():
        known = vouched()
        if lost and not known:
            raise AuditError("the log vouches for no key of packages yet: make_keys makes one")
        place = keys.folder() / NEXT
        new = key_care.begun(place, PublicKey.parse(known[-1]).name if lost else keys.packages().name)
        if not known or known[-1] != str(new.public):
            _hand_over(new, by=by, lost=lost)
        durable.write(keys.folder() / keys.PACKAGES_PUBLIC, f"{new.public}\n".encode())
        place.replace(keys.folder() / keys.PACKAGES)
        durable.sync(keys.folder())
    return new.public


def _hand_over(new: PrivateKey, *, by: str, lost: bool) -> None:
    if lost:
        _end_statements(new)
    else:
        key_care.keep_statement(STATEMENTS, signing(by=by), new)
    _vouch(vouched()[-1], new.public, by=by, lost=lost)


def _end_statements(new: PrivateKey) -> None:
    """Put away the hand-overs that lead to a lost key: no key to come links to them."""
    folder = keys.folder() / STATEMENTS
    for path in sorted(folder.glob("*.note")):
        aside = folder / ENDED / new.public.id.hex()
        aside.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.replace(aside / path.name)


def _vouch(old: str, new: PublicKey, *, by: str, lost: bool = False) -> None:
    facts = {"old_key": old, "new_key": str(new), "lost": lost}
    events.append(action=VOUCHED, by=by, subject="packages:key", facts=facts, event_id=f"package-key:{new.id.hex()}")


def listed() -> list[key_care.KnownKey]:
    """As ``key_care.listed`` tells of the log's keys."""
    found = [log.entry(index) for index in _entries()]
    last = len(found) - 1
    return [
        key_care.KnownKey(
            "packages", PublicKey.parse(str(leaf.facts["new_key"])).id.hex(), leaf.time,
            "in force" if at == last else "retired",
        )
        for at, leaf in enumerate(found)
    ]  # fmt: skip


def half_done() -> bool:
    """Whether a turn to a new key was begun and not finished."""
    return (keys.folder() / NEXT).exists()


def _entries() -> list[int]:
    return list(LogEntry.objects.filter(action=VOUCHED).order_by("index").values_list("index", flat=True))
