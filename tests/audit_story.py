"""A whole request as log entries, and an export of it, written here from the format's description and
signed with a key of our own: what an insider who holds the log's key could forge."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit import canonical, notes, rendering, verify
from audit.commitments import commitment, vote_commitment
from audit.merkle import leaf_hash, root
from audit.segments import Declared, DPValue, FreeText, Message, Prompt, Synthetic, Template, approved_with

KEY = notes.PrivateKey.make("llmsynthor/log-test")
PUB = str(KEY.public)
SALT = bytes(32)
FILES = {"data.csv": "hd"}
TERMS = {"grant": "g1", "user": "user:rita", "licence": "1"}

SENTENCE = '"mind the seasons"'
PROMPT = Prompt(
    model=Declared("model-1", "endpoint"),
    parameters=Declared.of_json({"temperature": 0.5}, source="settings"),
    response_schema=None,
    messages=(
        Message("system", (Template("rules", "Propose groups. "),)),
        Message("user", (Template("target", "target "), DPValue(41, "r1", "e2", (1, 0)), Synthetic(7, "loop"))),
        Message("user", (FreeText(SENTENCE, approved_with("hq")),)),
    ),
)

WHAT_IF = {"what_if_sha256": hashlib.sha256(SENTENCE.encode()).hexdigest()}


@dataclass
class Story:
    """Entries as (action, by, facts), bodies by id, and the sizes at which checkpoints are signed."""

    entries: list[tuple[str, str, dict[str, Any]]]
    bodies: dict[str, bytes]
    checkpoints: list[int]
    erased: set[str] = field(default_factory=set)

    def find(self, action: str, nth: int = 0) -> int:
        return [at for at, entry in enumerate(self.entries) if entry[0] == action][nth]

    def facts(self, action: str, nth: int = 0) -> dict[str, Any]:
        return self.entries[self.find(action, nth)][2]

    def lines(self) -> list[bytes]:
        return [
            canonical.dumps(
                {"version": 1, "index": at, "time": f"2030-01-01T00:{at // 60:02d}:{at % 60:02d}Z", "event": f"e{at}",
                 "action": action, "by": by, "subject": "log:test", "facts": facts}
            )
            for at, (action, by, facts) in enumerate(self.entries)
        ]  # fmt: skip

    def keep(self, name: str, data: bytes) -> dict[str, str]:
        self.bodies[name] = data
        return {"id": name, "hash": commitment(SALT, data)}

    def write(self, folder: Path, *, lines: list[bytes] | None = None, key: notes.PrivateKey = KEY) -> Path:
        lines = self.lines() if lines is None else lines
        hashes = [leaf_hash(line) for line in lines]
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "entries.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        (folder / "bodies.jsonl").write_bytes(b"".join(self.body_line(name) for name in self.bodies))
        (folder / "log.pub").write_text(f"{key.public}\n")
        for size in [*self.checkpoints, len(lines)]:
            note = notes.Checkpoint(key.name, size, root(hashes[:size])).signed(key)
            (folder / "checkpoints" / f"{size:012d}.note").write_bytes(note)
        final = notes.Checkpoint(key.name, len(lines), root(hashes))
        sign_manifest(folder, final, key)
        return folder

    def body_line(self, name: str) -> bytes:
        gone = name in self.erased
        salt, data = ("", "") if gone else (SALT.hex(), notes.b64(self.bodies[name]))
        return canonical.dumps({"id": name, "kind": "x", "erased": gone, "salt": salt, "data": data}) + b"\n"


def sign_manifest(folder: Path, final: notes.Checkpoint, key: notes.PrivateKey) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.note")
    listed = [f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(folder)}\n" for path in files]
    text = f"llmsynthor-audit-export/1\n{final.text()}{''.join(listed)}"
    (folder / "manifest.note").write_bytes(notes.sign(text, key))


def money(entry: str, rho: str) -> dict[str, Any]:
    return {"population": "p1", "entry": entry, "request": "q1", "rho": rho, "delta": "0"}


def commit(entry: str, rho: str) -> dict[str, Any]:
    names = ("kind", "mechanism", "cliques", "sensitivity", "scale", "unit", "library")
    return {**dict.fromkeys(names, "stated"), **money(entry, rho), "reservation": "r"}


def vote(gate: str, voter: str, shown: str, decision: str = "approve") -> tuple[str, str, dict[str, Any]]:
    sealed = vote_commitment(SALT.hex(), decision)
    facts = {"request": "q1", "gate": gate, "decision_hash": sealed, "content_hash": shown, "voter": voter}
    return ("synthesis:vote:cast", voter, facts)


def ballot(voter: str, decision: str = "approve") -> dict[str, str]:
    return {"voter": voter, "decision": decision, "salt": SALT.hex()}


def revealed(gate: str, shown: str, *voters: str) -> tuple[str, str, dict[str, Any]]:
    facts = {"request": "q1", "gate": gate, "content_hash": shown, "votes": [ballot(voter) for voter in voters]}
    return ("synthesis:votes:revealed", "system", facts)


def passed(name: str, gate: str, shown: str, **more: Any) -> tuple[str, str, dict[str, Any]]:
    return (f"synthesis:request:{name}", "system", {"request": "q1", "gate": gate, "content_hash": shown, **more})


def whole() -> Story:
    """A story in which everything holds."""
    story = Story([], {}, [])
    tables = canonical.dumps({"e1": {"shape": [2], "counts": [5, 6]}, "e2": {"shape": [2, 2], "counts": [1, 2, 41, 4]}})
    release = {"release": "r1", "population": "p1", "request": "q1", "measurements": ["e1", "e2"]}
    names = {"package": "k1", "content_hash": "hp"}
    story.entries = [
        ("privacy:dataset:registered", "user:olga", {"dataset": "d1", "population": "p1", "declaration_hash": "x"}),
        ("privacy:ledger:cap_set", "user:olga", {"population": "p1", "rho": "0.5", "delta": "0"}),
        ("synthesis:request:created", "user:rita", {"request": "q1", "dataset": "d1"}),
        ("synthesis:request:submitted", "user:rita", {"request": "q1", "content_hash": "hq", **WHAT_IF}),
        vote("measure", "user:sam", "hq"),
        vote("measure", "user:tom", "hq"),
        revealed("measure", "hq", "user:sam", "user:tom"),
        passed("approved", "measure", "hq"),
        ("privacy:ledger:reserve", "system", money("r", "0.5")),
        ("privacy:ledger:commit", "system", commit("e1", "0.2")),
        ("privacy:ledger:commit", "system", commit("e2", "0.3")),
        ("privacy:release:measured", "system", {**release, "tables": story.keep("tables", tables)}),
        vote("egress", "user:sam", "hm"),
        revealed("egress", "hm", "user:sam"),
        passed("synthesising", "egress", "hm", local=True),
        ("synthesis:run:started", "system", {"request": "q1", "run": "u1", "environment": {"python": "3"}}),
        *prompt_entries(story, "i1", 1),
        *prompt_entries(story, "i2", 2),
        ("synthesis:package:built", "system", {"request": "q1", "package": "k1", "sha256": "hp", "files": FILES}),
        vote("output", "user:sam", "hp"),
        vote("output", "user:tom", "hp"),
        revealed("output", "hp", "user:sam", "user:tom"),
        ("synthesis:grant:issued", "system", {"grant": "g1", "request": "q1", "user": "user:rita", **names}),
        ("synthesis:licence:accepted", "user:rita", {**TERMS, "licence_sha256": "ht"}),
        ("synthesis:download:served", "user:rita", {**TERMS, "sha256": "hd"}),
        ("audit:export:made", "user:anna", {"reason": "yearly check"}),
    ]
    story.checkpoints = [17, 20]
    return story


def prompt_entries(story: Story, intent: str, sequence: int) -> list[tuple[str, str, dict[str, Any]]]:
    deadline = "2030-01-01T00:00:01Z"  # long over when the export ends
    recorded = {
        "intent": intent, "run": "u1", "sequence": sequence, "attempt": 1, "endpoint": "e", "deadline": deadline,
        "prompt": story.keep(f"{intent}-prompt", rendering.render(PROMPT)),
        "map": story.keep(f"{intent}-map", rendering.to_map(PROMPT)),
    }  # fmt: skip
    answered = {"sent": True, "answer": story.keep(f"{intent}-answer", b"{}"), "error": "", "usage": {}}
    return [
        ("audit:prompt:intent", "system", recorded),
        ("audit:prompt:sending", "system:door", {"intent": intent, "token": "t", "deadline": deadline}),
        ("audit:prompt:outcome", "system:door", {"intent": intent, "token": "t", **answered}),
    ]


def propose(story: Story, *names: str, proposal: str = "x1") -> dict[str, Any]:
    """One person's wish to erase these bodies; what the erasure repeats of it."""
    told = {"proposal": proposal, "reason": "asked for"}
    story.entries.append(("audit:body:erasure_proposed", "user:sam", {**told, "bodies": list(names)}))
    return told


def erase(story: Story, *names: str) -> None:
    """What two people leave behind who erase these bodies."""
    told = propose(story, *names)
    both = {"proposed_by": "user:sam", "confirmed_by": "user:tom"}
    for name in names:
        facts = {**told, **both, "body": name, "kind": name.partition("-")[2]}
        story.entries.append(("audit:body:erased", "user:tom", facts))
    story.erased |= set(names)


def findings(folder: Path, **options: Any) -> list[str]:
    """What the verifier says about an export, one line per finding."""
    report = verify.verify(folder, key=PUB, **options)
    assert (report.verdict == "broken") == bool(report.findings)
    return [f"{one['check']}: {one['place']}: {one['message']}" for one in report.findings]
