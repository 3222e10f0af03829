"""Making an evidence pack: log first, then export, verify, describe, close, sign, zip."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from audit import bags, canonical, events, export, keys, selection, verify
from audit.actors import actor
from audit.archive import ENTRIES
from audit.check_evidence import APPROVED, LOG, SELECTION
from audit.errors import AuditError
from audit.leaves import Leaf, time_text
from audit.models import LogEntry
from audit.selection import Scope, Selection
from llmsynthor_site.evidence import crate, facts, page
from synthesis.models import SynthesisRequest

HOW_TO = """How to check this pack: docs/evidence.md of the appliance says it at length.

  sha256sum -c manifest-sha256.txt          every file is whole
  sha512sum -c tagmanifest-sha512.txt       so are the lists themselves
  python -m audit.check_evidence PACK --key PUBLIC_KEY

The last one also checks the signature (signature.note, over the second list) and the log itself. Take the public
key from the organisation, not from here. Open data/index.html in any browser to read.
"""


@dataclass(frozen=True, slots=True)
class Made:
    """A pack: its file, its own number, what audit.verify said of the log, and how many entries are in scope."""

    path: Path
    number: str
    verdict: str
    entries: int


@dataclass(frozen=True, slots=True)
class Told:
    """What every part of a pack is made from."""

    number: str
    scope: Scope
    by: str
    reason: str
    at: str
    leaves: Sequence[Leaf]
    chosen: Selection
    requests: Sequence[SynthesisRequest]
    report: verify.Report


def make(scope: Scope, *, by: Any, reason: str, target: Path) -> Made:
    """Write the pack to ``target``, which must not exist. That it was made is an entry of the log it holds.

    Raises AuditError when nothing in the log is about this scope, LogUnavailable when the log is not whole, and
    OSError when the file cannot be written.
    """
    if target.exists() or not target.parent.is_dir():
        raise AuditError("an evidence pack is written to a file that does not exist yet, in a folder that does")
    _must_be_known(scope)
    number = str(uuid.uuid4())
    told = {"evidence": number, "scope": scope.kind, "about": str(scope), "reason": reason}
    events.append(action="audit:evidence:made", by=actor(by), subject=_subject(scope), facts=told)
    with tempfile.TemporaryDirectory(dir=settings.SITE_DIR, prefix=".evidence-") as folder:
        bag = Path(folder) / f"evidence-{number[:8]}"
        made = _fill(bag / bags.PAYLOAD, number, scope, by=actor(by), reason=reason)
        (bag / "README.txt").write_text(HOW_TO)
        bags.close(bag, info=_info(made), key=keys.signing())
        bags.pack(bag, target)
    return Made(target, number, made.report.verdict, len(made.chosen.entries))


def _subject(scope: Scope) -> str:
    return "log:all" if scope.kind == "period" else f"{scope.kind}:{scope.about}"


def _must_be_known(scope: Scope) -> None:
    """A pack about nothing would prove nothing, and a draft is its author's alone."""
    subject = _subject(scope)
    if scope.kind == "period" and scope.since > scope.until:
        raise AuditError("a period begins before it ends")
    if scope.kind != "period" and not LogEntry.objects.filter(subject=subject).exists():
        raise AuditError(f"the log knows of no such {scope.kind}")
    submitted = LogEntry.objects.filter(subject=subject, action="synthesis:request:submitted")
    if scope.kind == "request" and not submitted.exists():
        raise AuditError("the request was never submitted: a draft is its author's alone")


def _fill(data: Path, number: str, scope: Scope, *, by: str, reason: str) -> Told:
    """Everything under data/: the log, what the gates approved, facts, the page, the crate."""

    def choose(leaves: Iterable[Leaf]) -> set[int]:
        return set(selection.select(list(leaves), scope).entries)

    export.write(data / LOG, choose=choose)
    leaves = [Leaf.from_bytes(line) for line in (data / LOG / ENTRIES).read_bytes().split(b"\n")[:-1]]
    chosen = selection.select(leaves, scope)
    report = verify.verify(data / LOG, key=str(keys.public()))
    at = time_text(datetime.now(UTC))
    told = Told(number, scope, by, reason, at, leaves, chosen, facts.requests_in(chosen), report)
    _write_selection(data / SELECTION, told)
    _write_approved(data / APPROVED, told)
    known = [facts.of_request(request) for request in told.requests]
    for one in known:
        facts.write(data / "requests" / f"{one['id']}.json", one)
    facts.write(data / "ledger.json", facts.ledger_of(list(told.requests)))
    facts.write(data / "verification.json", asdict(report))
    (data / "index.html").write_text(page.render(told, known), encoding="utf-8")
    crate.write(data, told, known)
    return told


def _write_selection(path: Path, told: Told) -> None:
    names: dict[str, list[str]] = {kind: told.chosen.of(kind) for kind in sorted(selection.KINDS)}
    held = {"scope": asdict(told.scope), "entries": list(told.chosen.entries), "names": names}
    path.write_bytes(canonical.dumps(held))


def _write_approved(folder: Path, told: Told) -> None:
    hashes = {str(told.leaves[index].facts.get("content_hash")) for index in told.chosen.entries}
    folder.mkdir()
    for request in told.requests:
        for digest, text in facts.approved(request, hashes).items():
            (folder / f"{digest}.json").write_bytes(text)


def _info(told: Told) -> dict[str, str]:
    return {
        "External-Identifier": f"urn:uuid:{told.number}",
        "External-Description": f"Evidence of {told.scope}",
        "Bagging-Date": told.at[:10],
        "Source-Organization": told.report.log,
    }
