"""Is it one log, whole and in order, and the one that was signed?"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from audit.archive import Archive, KeptBody
from audit.commitments import body_references, commitment
from audit.findings import Findings
from audit.leaves import Leaf
from audit.merkle import Frontier, leaf_hash
from audit.notes import Checkpoint

RECONCILED = ("audit:log:reconciled", "audit:site:reconciled")
OUTSIDE = "checkpoint from outside"


def check(archive: Archive, outside: Iterable[Checkpoint], findings: Findings) -> bytes:
    """Entries, order, roots and bodies; returns the root over all entries."""
    _order(archive.leaves, findings)
    signed = [("checkpoint of the export", one) for one in archive.checkpoints.values()]
    kept = [(OUTSIDE, one) for one in outside]
    signed += kept
    if archive.final is not None:
        _end(archive, archive.final, findings)
        signed.append(("manifest", archive.final))
    root = _roots(archive.lines, signed, findings)
    _bodies(archive, findings)
    _reconciled(archive.leaves, findings)
    findings.counts.update(entries=len(archive.leaves), checkpoints=len(signed))
    findings.counts["checkpoints from outside"] = len(kept)  # also when none: then nothing was compared
    return root


def _order(leaves: list[Leaf], findings: Findings) -> None:
    for expected, leaf in enumerate(leaves):
        place = f"entry {expected}"
        findings.expect(leaf.index == expected, "order", place, f"is numbered {leaf.index}: a gap or a swap")
    for earlier, later in pairwise(leaves):
        in_order = earlier.time <= later.time
        findings.expect(in_order, "order", f"entry {later.index}", "is older than the entry before it")
    events: set[str] = set()
    for leaf in leaves:
        findings.expect(leaf.event not in events, "order", f"entry {leaf.index}", "its event is in the log twice")
        events.add(leaf.event)


def _reconciled(leaves: list[Leaf], findings: Findings) -> None:
    """What a restore had lost was entered again, by two people; in the log, before anything else was."""
    for leaf in leaves:
        if leaf.action not in RECONCILED:
            continue
        people = {leaf.facts.get("proposed_by"), leaf.facts.get("confirmed_by")}
        place = f"entry {leaf.index}"
        findings.expect(len(people) == 2, "order", place, "one person alone reconciled what was restored")
        if leaf.action == "audit:log:reconciled":
            findings.expect(leaf.facts.get("entries") == leaf.index, "order", place, "came after other new entries")
        findings.counts["restores reconciled"] += 1


def _end(archive: Archive, final: Checkpoint, findings: Findings) -> None:
    held = len(archive.lines)
    findings.expect(
        held == final.size, "order", f"entry {held}", f"the manifest signs {final.size} entries, {held} are here"
    )


def _roots(lines: list[bytes], signed: list[tuple[str, Checkpoint]], findings: Findings) -> bytes:
    """Recompute the root at every signed size; equal roots at two sizes make the earlier log a prefix."""
    roots: dict[int, bytes] = {}
    wanted = {one.size for _, one in signed}
    tree = Frontier()
    for line in lines:
        tree = tree.with_leaf(leaf_hash(line))
        if tree.size in wanted:
            roots[tree.size] = tree.root()
    for kind, one in signed:
        place = f"{kind} at {one.size}"
        if findings.expect(one.size in roots, "roots", place, f"signs more than the {len(lines)} entries here"):
            findings.expect(roots[one.size] == one.root, "roots", place, "the entries do not have this root")
    _changed(roots, [(kind, one) for kind, one in signed if one.size in roots], findings)
    return tree.root()


def _changed(roots: dict[int, bytes], signed: list[tuple[str, Checkpoint]], findings: Findings) -> None:
    """Say between which signed sizes an entry was changed: roots say no more than that.

    Whoever signed the export anew signed the checkpoints inside it anew: where one from outside fails, only such count.
    """
    failing = [(kind, one) for kind, one in signed if roots[one.size] != one.root]
    if any(kind == OUTSIDE for kind, _ in failing):
        signed, failing = ([(kind, one) for kind, one in some if kind == OUTSIDE] for some in (signed, failing))
    if not failing:
        return
    first = min(one.size for _, one in failing)
    holding = max((one.size for _, one in signed if one.size < first), default=0)  # none of those below it fails
    since = f"; up to entry {holding - 1} all is as it was signed" if holding else ""
    findings.broken("roots", f"entry {first}", f"something before entry {first} was changed{since}")


def _bodies(archive: Archive, findings: Findings) -> None:
    named: set[str] = set()
    for leaf in archive.leaves:
        for name, expected in body_references(leaf.facts).items():
            named.add(name)
            if name in archive.withheld and name not in archive.bodies:
                findings.counts["bodies not included"] += 1
            else:
                _body(leaf, name, expected, archive.bodies.get(name), findings)
    for name in sorted((set(archive.bodies) | archive.withheld) - named):
        findings.broken("bodies", name, "no entry speaks of it")
    for name in sorted(archive.withheld & set(archive.bodies)):
        findings.broken("bodies", name, "is included and said to be left out")


def _body(leaf: Leaf, name: str, expected: str, body: KeptBody | None, findings: Findings) -> None:
    place = f"body {name} of entry {leaf.index}"
    if body is None:
        findings.broken("bodies", place, "missing")
    elif body.erased:
        findings.counts["bodies erased, not replayable"] += 1
    else:
        holds = commitment(body.salt, body.data) == expected
        findings.expect(holds, "bodies", place, "does not match the hash in the log")
        findings.counts["bodies"] += 1
