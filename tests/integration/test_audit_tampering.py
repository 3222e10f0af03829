"""Row A4: what somebody who owns the database does to the log, triggers off; found by checkpoints kept outside.

Every class is a lie told as well as its teller can: bytes, hashes, columns, head and the checkpoints in the
database are made to fit. The running check looks from inside, where a perfect forgery cannot be seen without
the anchor; the export is verified with a checkpoint that somebody else kept.
"""

import random

import pytest
from django.db import connections

from audit import anchors, events, keys, livecheck, log, verify
from audit.errors import AuditError
from audit.export import export
from audit.leaves import Leaf
from audit.merkle import Frontier, leaf_hash
from audit.models import Checkpoint, LogEntry, LogHead
from audit.notes import Checkpoint as SignedCheckpoint
from audit.notes import PrivateKey
from tests.append_only import triggers_lifted

pytestmark = pytest.mark.django_db(databases=["default", "log"])
SIZE = 24


def entries():
    return list(LogEntry.objects.order_by("index"))


def told_again(leaves):
    """The whole log, made anew of these leaves: numbers, bytes, hashes, columns and the tree, all fitting."""
    LogEntry.objects.all().delete()
    tree = Frontier()
    for index, leaf in enumerate(leaves):
        data = Leaf(index, leaf.time, leaf.event, leaf.action, leaf.by, leaf.subject, leaf.facts).to_bytes()
        tree = tree.with_leaf(leaf_hash(data))
        LogEntry.objects.create(
            index=index, leaf=data, leaf_hash=leaf_hash(data), event_id=leaf.event, action=leaf.action, by=leaf.by,
            subject=leaf.subject, at=f"{leaf.time[:10]} {leaf.time[11:19]}+00:00",
        )  # fmt: skip
    LogHead.objects.update(size=tree.size, frontier=tree.packed())
    Checkpoint.objects.all().delete()


def leaves():
    return [Leaf.from_bytes(bytes(entry.leaf)) for entry in entries()]


def changed(leaf, **changes):
    told = {name: getattr(leaf, name) for name in Leaf.__slots__}
    return Leaf(**{**told, **changes})


def field(name, value):
    def tamper(rng):
        known, at = leaves(), rng.randrange(SIZE)
        known[at] = changed(known[at], **{name: value})
        told_again(known)

    return tamper


def raw(column, value):
    def tamper(rng):
        LogEntry.objects.filter(index=rng.randrange(SIZE)).update(**{column: value})

    return tamper


def flip(rng):
    entry = LogEntry.objects.get(index=rng.randrange(SIZE))
    leaf = bytearray(entry.leaf)
    leaf[rng.randrange(len(leaf))] ^= 1 << rng.randrange(8)
    LogEntry.objects.filter(pk=entry.pk).update(leaf=bytes(leaf), leaf_hash=leaf_hash(bytes(leaf)))


def remove_one(rng):
    known = leaves()
    del known[rng.randrange(SIZE)]
    told_again(known)


def remove_and_make_up_for_it(rng):
    """One entry gone, and an innocent one at the end, so that the size is right."""
    known = leaves()
    gone = known.pop(rng.randrange(SIZE))
    told_again([*known, changed(gone, time=known[-1].time, facts={"number": 99}, event="made-up")])


def swap(rng):
    known = leaves()
    one, other = rng.sample(range(SIZE), 2)
    known[one], known[other] = changed(known[other], time=known[one].time), changed(known[one], time=known[other].time)
    told_again(known)


def insert(rng):
    known, at = leaves(), rng.randrange(SIZE)
    told_again([*known[:at], changed(known[at], event="slipped-in", facts={"number": 77}), *known[at:]])


def cut(rng):
    told_again(leaves()[: rng.randrange(1, SIZE)])


def cut_in_the_table_alone(rng):
    LogEntry.objects.filter(index__gte=rng.randrange(1, SIZE)).delete()


def empty(rng):
    told_again([])
    LogHead.objects.all().delete()


def double(rng):
    known = leaves()
    known.append(changed(rng.choice(known), time=known[-1].time, event="again"))
    at = rng.randrange(SIZE)
    told_again(known[:at] + known[at + 1 :])


def frontier(rng):
    head = LogHead.objects.get()
    LogHead.objects.update(frontier=rng.randbytes(len(bytes(head.frontier))))


def forge_checkpoint(rng):
    """A rewritten log with a checkpoint over it, by a key of the forger's own under the log's name."""
    field("by", "user:eve")(rng)
    tree = Frontier.of([bytes(entry.leaf_hash) for entry in entries()])
    key = PrivateKey.make(keys.public().name)
    note = SignedCheckpoint(key.name, tree.size, tree.root()).signed(key)
    Checkpoint.objects.create(size=tree.size, note=note, at="2031-01-01 00:00+00:00")


def rewrite_as_keeper_of_the_key(rng):
    """Everything: log, tree, checkpoints and the anchor folder, by somebody who holds the signing key as well."""
    field("facts", {"number": -1})(rng)
    for path in anchors.folder().glob("*.note"):
        path.unlink()
    log.checkpoint()


CLASSES = {
    "a flipped bit": flip,
    "facts": field("facts", {"number": -1}),
    "who": field("by", "user:eve"),
    "what": field("action", "test:thing:refused"),
    "about what": field("subject", "request:99"),
    "an event's id": field("event", "another"),
    "a column beside the entry": raw("by", "user:eve"),
    "an entry removed": remove_one,
    "an entry removed, another added": remove_and_make_up_for_it,
    "two entries swapped": swap,
    "an entry slipped in": insert,
    "the end cut off": cut,
    "the end cut off in the table alone": cut_in_the_table_alone,
    "the whole log emptied": empty,
    "an entry told twice in another's place": double,
    "the head": frontier,
    "a checkpoint by another key": forge_checkpoint,
    "everything, with the log's own key": rewrite_as_keeper_of_the_key,
}


def fill(rng):
    for number in range(SIZE):
        about = {"by": f"user:{rng.choice('abc')}", "subject": f"request:{rng.randrange(5)}"}
        events.append(action="test:thing:happened", facts={"number": number}, **about)
    log.checkpoint()


def seen(folder, outside):
    """What is found: by the running check (or its refusal), and by the verifier with a checkpoint kept outside."""
    try:
        inside = [one.check for one in livecheck.check().found]
        export(folder, by="user:auditor", reason="the yearly check")
    except AuditError as error:
        return [type(error).__name__]
    report = verify.verify(folder, key=str(keys.public()), checkpoints=[outside])
    return inside + [one["check"] for one in report.findings]


def wipe():
    with triggers_lifted(connections["log"]):
        for model in (LogEntry, LogHead, Checkpoint):
            model.objects.all().delete()
    for path in anchors.folder().glob("*.note"):
        path.unlink()


def story(rng, folder, tamper=None):
    """A log, a checkpoint of it kept outside, a lie; what is found."""
    fill(rng)
    folder.mkdir()
    outside = folder / "kept.note"
    outside.write_bytes((anchors.folder() / anchors.LATEST).read_bytes())
    if tamper is not None:
        with triggers_lifted(connections["log"]):
            tamper(rng)
    found = seen(folder / "export", outside)
    wipe()
    return found


@pytest.mark.long_sizes
@pytest.mark.parametrize("kind", CLASSES)
def test_every_lie_is_found(tmp_path, is_long, repeats, note, kind):
    caught = [bool(story(random.Random(number), tmp_path / f"{number}", CLASSES[kind]))
              for number in repeats(20 if is_long else 1)]  # fmt: skip
    assert all(caught)
    note("A4", kind, f"{len(caught)} tampered logs", f"{sum(caught)} found", "all")


@pytest.mark.long_sizes
def test_clean_logs_raise_no_alarm(tmp_path, is_long, repeats, note):
    alarms = [story(random.Random(number), tmp_path / f"{number}") for number in repeats(50 if is_long else 2)]
    assert alarms == [[]] * len(alarms)
    note("A4", "clean logs", f"{len(alarms)} logs", "0 false alarms", "0")


def test_without_what_lies_outside_a_perfect_lie_is_not_found(tmp_path, monkeypatch):
    """The control: the same check with the same lie and no anchor, no checkpoint from outside, sees nothing."""
    fill(random.Random(1))
    with triggers_lifted(connections["log"]):
        rewrite_as_keeper_of_the_key(random.Random(1))
    assert livecheck.check().found == []
    export(tmp_path / "export", by="user:auditor", reason="the yearly check")
    assert verify.verify(tmp_path / "export", key=str(keys.public())).verdict == "holds"
