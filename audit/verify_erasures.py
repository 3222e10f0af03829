"""Is every body that is gone gone by an entry of two people, and is every body that was to go gone?"""

from __future__ import annotations

from collections import defaultdict

from audit.archive import Archive
from audit.facts import ERASABLE
from audit.findings import Findings
from audit.leaves import Leaf


def check(archive: Archive, findings: Findings) -> None:
    told = {str(leaf.facts["body"]): leaf for leaf in archive.leaves if leaf.action == "audit:body:erased"}
    named = _names(archive)
    for name, body in archive.bodies.items():
        if body.erased and name not in told:
            findings.broken("erasures", f"body {name}", "is erased, and no entry says by whom")
    proposals = _proposals(archive)
    withdrawn = _withdrawn(archive, proposals, findings)
    for name, leaf in told.items():
        place = f"entry {leaf.index}"
        gone = name in archive.bodies and archive.bodies[name].erased
        findings.expect(gone, "erasures", place, f"says that body {name} is erased, which it is not")
        known = named.get(name, ("", leaf.index))
        findings.expect(known[1] < leaf.index, "erasures", place, f"erases body {name}, of which no entry spoke before")
        findings.expect(known[0] in ERASABLE, "erasures", place, "erases what is neither a prompt nor an answer")
        last = withdrawn.get(str(leaf.facts["proposal"]))
        holds = last is None or last.index > leaf.index
        findings.expect(holds, "erasures", place, "an erasure whose proposal had been withdrawn")
        _two_people(leaf, proposals.get(str(leaf.facts["proposal"])), findings)
        findings.counts["erasures by two people"] += 1
        findings.erased.append(f"the {known[0] or 'body'} of entry {known[1]}, by {place}")
    _depending(archive, findings)


def _names(archive: Archive) -> dict[str, tuple[str, int]]:
    """Body to the name of the fact that speaks of it first, and the entry of that fact."""
    found: dict[str, tuple[str, int]] = {}
    for leaf in archive.leaves:
        for name, fact in leaf.facts.items():
            if isinstance(fact, dict) and set(fact) == {"id", "hash"}:
                found.setdefault(str(fact["id"]), (name, leaf.index))
    return found


def _proposals(archive: Archive) -> dict[str, Leaf]:
    proposed = (leaf for leaf in archive.leaves if leaf.action == "audit:body:erasure_proposed")
    return {str(leaf.facts["proposal"]): leaf for leaf in proposed}


def _withdrawn(archive: Archive, proposals: dict[str, Leaf], findings: Findings) -> dict[str, Leaf]:
    """The first withdrawal of each proposal: after it was proposed, and of none that was carried out before."""
    found: dict[str, Leaf] = {}
    carried_out: set[str] = set()
    for leaf in archive.leaves:
        if leaf.action == "audit:body:erased":
            carried_out.add(str(leaf.facts["proposal"]))
        elif leaf.action == "audit:body:erasure_withdrawn":
            name, place = str(leaf.facts["proposal"]), f"entry {leaf.index}"
            proposal = proposals.get(name)
            known = proposal is not None and proposal.index < leaf.index
            findings.expect(known, "erasures", place, "withdraws an erasure nobody proposed before")
            alike = proposal is None or _alike(leaf, proposal)
            findings.expect(alike, "erasures", place, "withdraws other bodies, or another person's proposal")
            findings.expect(name not in carried_out, "erasures", place, "withdraws an erasure that was carried out")
            findings.expect(name not in found, "erasures", place, "withdraws an erasure for a second time")
            found.setdefault(name, leaf)
            findings.counts["erasures withdrawn"] += 1
    return found


def _alike(withdrawal: Leaf, proposal: Leaf) -> bool:
    told = (withdrawal.facts["bodies"], withdrawal.facts["proposed_by"])
    return told == (proposal.facts["bodies"], proposal.by)


def _two_people(leaf: Leaf, proposal: Leaf | None, findings: Findings) -> None:
    place, facts = f"entry {leaf.index}", leaf.facts
    proposed = proposal is not None and proposal.index < leaf.index and facts["body"] in proposal.facts["bodies"]
    findings.expect(proposed, "erasures", place, "an erasure nobody proposed before")
    both = facts["proposed_by"] != facts["confirmed_by"] == leaf.by
    findings.expect(both, "erasures", place, "one person alone erased it, or it was confirmed in another's name")
    if proposal is not None:
        findings.expect(proposal.by == facts["proposed_by"], "erasures", place, "proposed in another person's name")


def _depending(archive: Archive, findings: Findings) -> None:
    """Count the prompts that were composed after an answer that is gone: nobody can work them out again."""
    intents = {str(leaf.facts["intent"]): leaf for leaf in archive.leaves if leaf.action == "audit:prompt:intent"}
    first: dict[str, int] = defaultdict(lambda: 2**53)
    for leaf in archive.leaves:
        kept = leaf.facts.get("answer") if leaf.action == "audit:prompt:outcome" else None
        intent = intents.get(str(leaf.facts.get("intent")))
        body = archive.bodies.get(str(kept["id"])) if kept else None
        if intent is not None and body is not None and body.erased:
            run = str(intent.facts["run"])
            first[run] = min(first[run], int(intent.facts["sequence"]))
    late = [leaf for leaf in intents.values() if int(leaf.facts["sequence"]) > first[str(leaf.facts["run"])]]
    findings.erased += [f"the prompt of entry {leaf.index}: it came after an answer that is gone" for leaf in late]
    if late:
        findings.counts["prompts after an erased answer, not replayable"] = len(late)
