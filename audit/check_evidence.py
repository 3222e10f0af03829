"""Check an evidence pack without the appliance, without its database, and without trusting whoever made it.

    python -m audit.check_evidence PACK --key PUB [--checkpoint FILE ...] [--json]

PACK is the ZIP file or the folder unpacked from it. Checks the bag (signature, every hash, missing and extra
files), then the log inside it as audit.verify does, then that the pack holds the bodies of exactly the entries in
its scope, and that every approved document is the one whose hash was voted on. Exit codes as audit.verify.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from audit import archive, bags, canonical, selection, verify
from audit.commitments import body_references
from audit.findings import Findings, Unusable
from audit.leaves import Leaf, LeafError
from audit.telling import tell

LOG, APPROVED, SELECTION = "audit", "approved", "selection.json"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome: of the pack, and of the log inside it (audit.verify's own report)."""

    verdict: str
    scope: str
    counts: dict[str, int]
    findings: list[dict[str, str]]
    log: dict[str, Any]


def check(pack: Path, *, key: str, checkpoints: Sequence[Path] = ()) -> Report:
    """Check a ZIP file or an unpacked folder against a public key (its text, or a file). Raises Unusable."""
    with tempfile.TemporaryDirectory() as folder:
        bag = pack if pack.is_dir() else bags.unpack(pack, Path(folder))
        return _checked(bag, key, checkpoints)


def _checked(bag: Path, key: str, checkpoints: Sequence[Path]) -> Report:
    findings, data = Findings(), bag / bags.PAYLOAD
    log = verify.verify(data / LOG, key=key, checkpoints=checkpoints)
    bags.check(bag, verify.public_key(key), findings)
    leaves = _leaves(data / LOG / archive.ENTRIES)
    scope = _scope(data, leaves, findings)
    _approved(data / APPROVED, leaves, findings)
    return Report(
        verdict="broken" if findings.found or log.findings else "holds",
        scope=scope,
        counts=dict(sorted(findings.counts.items())),
        findings=[asdict(finding) for finding in findings.found],
        log=asdict(log),
    )


def _leaves(path: Path) -> list[Leaf]:
    try:
        return [Leaf.from_bytes(line) for line in path.read_bytes().split(b"\n")[:-1]]
    except (OSError, LeafError):
        return []  # audit.verify has said so


def _scope(data: Path, leaves: list[Leaf], findings: Findings) -> str:
    """The entries in scope, worked out again from the log, are those named; and their bodies, no others, are here."""
    try:
        told = canonical.loads((data / SELECTION).read_bytes())
        scope = selection.Scope(**told["scope"])
        named = list(told["entries"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        findings.broken("scope", SELECTION, f"cannot be read: {type(error).__name__}")
        return ""
    found = selection.select(leaves, scope)
    findings.expect(named == list(found.entries), "scope", SELECTION, "these are not the entries in its scope")
    inside = set(found.entries)
    wanted = {name for leaf in leaves if leaf.index in inside for name in body_references(leaf.facts)}
    for name in sorted(_held(data / LOG / archive.BODIES) - wanted):
        findings.broken("scope", f"body {name}", "is outside the scope and was not left out")
    for name in sorted(_held(data / LOG / archive.WITHHELD) & wanted):
        findings.broken("scope", f"body {name}", "is inside the scope and was left out")
    findings.counts["entries in scope"] = len(inside)
    return str(scope)


def _held(path: Path) -> set[str]:
    try:
        return {str(canonical.loads(line)["id"]) for line in path.read_bytes().split(b"\n")[:-1]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()  # audit.verify has said so


def _approved(folder: Path, leaves: list[Leaf], findings: Findings) -> None:
    """A document is named by its hash, and somebody voted on that hash."""
    voted = {str(leaf.facts.get("content_hash")) for leaf in leaves if leaf.action == "synthesis:vote:cast"}
    asked = {str(leaf.facts.get("content_hash")) for leaf in leaves if leaf.action == "synthesis:request:submitted"}
    for path in sorted(folder.glob("*")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        findings.expect(path.stem == digest, "approved", path.name, "its bytes have another hash than its name")
        findings.expect(path.stem in voted | asked, "approved", path.name, "nobody submitted it or voted on it")
        findings.counts["documents that were voted on"] += path.stem in voted


def as_text(report: Report) -> str:
    """The report for people."""
    lines = [f"{report.verdict.upper()}: evidence of {report.scope or 'unknown scope'}", ""]
    lines += [f"  {number:>8}  {name}" for name, number in report.counts.items()]
    if report.findings:
        lines += ["", f"{len(report.findings)} findings about the pack:"]
        lines += [f"  [{one['check']}] {one['place']}: {one['message']}" for one in report.findings]
    return "\n".join([*lines, "", "The log inside it:", "", verify.as_text(verify.Report(**report.log))])


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    return run(options.pack, key=options.key, checkpoints=options.checkpoint, as_json=options.json)


def run(pack: Path, *, key: str, checkpoints: Sequence[Path], as_json: bool) -> int:
    """Check and print; the exit code."""
    try:
        report = check(pack, key=key, checkpoints=checkpoints)
    except Unusable as error:
        tell(json.dumps({"verdict": "unusable", "reason": str(error)}) if as_json else f"UNUSABLE: {error}")
        return verify.UNUSABLE
    tell(json.dumps(asdict(report)) if as_json else as_text(report))
    return verify.HOLDS if report.verdict == "holds" else verify.BROKEN


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="audit.check_evidence", description="Check an evidence pack offline.")
    add_options(parser)
    return parser.parse_args(arguments)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pack", type=Path, help="the ZIP file, or the folder unpacked from it")
    parser.add_argument("--key", required=True, help="the log's public key, or a file that holds it")
    parser.add_argument("--checkpoint", type=Path, nargs="*", default=[], help="checkpoints kept outside")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")


if __name__ == "__main__":
    sys.exit(main())
