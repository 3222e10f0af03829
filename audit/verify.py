"""Check an audit export without the appliance, without its database, and without trusting whoever made it.

    python -m audit.verify EXPORT --key PUB [--checkpoint FILE ...] [--witness PUB ...]
                           [--timestamp-ca PEM] [--json]

Needs the standard library and `cryptography`; timestamps are checked only where rfc3161-client is there, too.
Exit code 0: everything checked holds; 1: something does not; 2: the check could not be made.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from audit import (
    archive,
    facts,
    notes,
    rotations,
    verify_checks,
    verify_decisions,
    verify_downloads,
    verify_erasures,
    verify_gates,
    verify_keys,
    verify_ledger,
    verify_log,
    verify_prices,
    verify_prompts,
    verify_tiles,
    verify_witnesses,
)
from audit.archive import Archive
from audit.cosignatures import WitnessKey
from audit.findings import Findings, Unusable
from audit.leaves import Leaf
from audit.telling import tell
from audit.verify_witnesses import Vouched

AnyKey = TypeVar("AnyKey", bound=notes.PublicKey)
HOLDS, BROKEN, UNUSABLE = 0, 1, 2
ALIKE = 3
"""Findings with the same message that the text shows one by one."""
CHECKS = (
    verify_keys.check,
    verify_prompts.check,
    verify_ledger.check,
    verify_prices.check,
    verify_decisions.check,
    verify_gates.check,
    verify_downloads.check,
    verify_checks.check,
    verify_erasures.check,
)
NOT_COVERED = (
    "what happened outside the appliance, and anything that was never given to the log",
    "that values marked SYNTHETIC are what the loop computes: they are recorded here, not recomputed "
    "(manage.py replay_prompts does, on the site)",
    "that a prompt stayed within the manifest which gate B approved: its hash is here, the manifest is not (the "
    "replay checks it)",
    "that the noise was drawn as charged: the log holds mechanism, scale and price, not the exact statistics",
    "that names in the log belong to the people who bore them",
    "entries after the last checkpoint you hold yourself: compare with one kept outside (--checkpoint)",
)
LEFT_OUT = "the bodies that whoever made this left out: they are counted as not included, and nothing is said of them"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome, ready to be printed or sent."""

    verdict: str
    log: str
    size: int
    root: str
    key_from: str
    counts: dict[str, int]
    findings: list[dict[str, str]]
    witnesses: list[Vouched] = field(default_factory=list)
    timestamps: list[Vouched] = field(default_factory=list)
    timestamps_note: str = ""
    erased: list[str] = field(default_factory=list)
    not_covered: tuple[str, ...] = NOT_COVERED


def verify(
    folder: Path,
    *,
    key: str,
    checkpoints: Sequence[Path] = (),
    witnesses: Sequence[str] = (),
    timestamp_ca: Path | None = None,
) -> Report:
    """Check an export against a public key (its text, or a file that holds it). Raises Unusable.

    Checkpoints kept outside must be of this log; each witness (its public key) must have cosigned the newest
    checkpoint; timestamps are checked against the authority's certificates.
    """
    public = public_key(key)
    others = [_key(one, WitnessKey) for one in witnesses]
    authority = None if timestamp_ca is None else _authority(timestamp_ca)
    findings = Findings()
    outside = _outside(checkpoints, archive.chain(folder, public), findings)
    found = archive.read(folder, public, findings)
    root = verify_log.check(found, outside, findings)
    if _well_formed(found.leaves, findings):
        for check in CHECKS:
            _guarded(check, found, findings)
    verify_tiles.check(folder, found, findings)
    vouched = verify_witnesses.check(found, others, findings)
    stamps_note, stamped = verify_witnesses.check_stamps(found, authority, findings)
    return Report(
        verdict="broken" if findings.found else "holds",
        log=public.name,
        size=len(found.lines),
        root=root.hex(),
        key_from="inside the export" if _inside(key, folder) else "given",
        counts=dict(sorted(findings.counts.items())),
        findings=[asdict(finding) for finding in findings.found],
        erased=findings.erased,
        not_covered=NOT_COVERED + ((LEFT_OUT,) if found.withheld else ()),
        witnesses=vouched,
        timestamps=stamped,
        timestamps_note=stamps_note,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        report = verify(
            options.export, key=options.key, checkpoints=options.checkpoint,
            witnesses=options.witness, timestamp_ca=options.timestamp_ca,
        )  # fmt: skip
    except Unusable as error:
        tell(json.dumps({"verdict": "unusable", "reason": str(error)}) if options.json else f"UNUSABLE: {error}")
        return UNUSABLE
    tell(json.dumps(asdict(report)) if options.json else as_text(report))
    return BROKEN if report.findings else HOLDS


def as_text(report: Report) -> str:
    """The report for people."""
    lines = [f"{report.verdict.upper()}: log {report.log}, {report.size} entries, root {report.root}", ""]
    lines += [f"  {number:>8}  {name}" for name, number in report.counts.items()]
    lines += _others(report)
    if report.erased:
        lines += ["", "Erased, not replayable:"] + [f"  {one}" for one in report.erased]
    if report.key_from != "given":
        lines += ["", "The key came from inside the export: this shows integrity, not where the log is from."]
    if report.findings:
        lines += ["", f"{len(report.findings)} findings:"]
        lines += _told(report.findings)
    lines += ["", "Not covered:"] + [f"  - {text}" for text in report.not_covered]
    return "\n".join(lines)


def _told(findings: list[dict[str, str]]) -> list[str]:
    """One line for each, but a few only of those that say the same of many places: one cause may have many effects."""
    alike: Counter[tuple[str, str]] = Counter()
    lines = []
    for one in findings:
        alike[one["check"], one["message"]] += 1
        if alike[one["check"], one["message"]] <= ALIKE:
            lines.append(f"  [{one['check']}] {one['place']}: {one['message']}")
    for (check, message), count in alike.items():
        if count > ALIKE:
            lines.append(f"  [{check}] at {count - ALIKE} more places (--json lists them): {message}")
    return lines


def _others(report: Report) -> list[str]:
    """What witnesses and timestamp authorities vouch for; nothing where none was asked about."""
    lines = [f"  checkpoints cosigned by {one.line}" for one in report.witnesses]
    lines += [f"  checkpoints timestamped by {one.line}" for one in report.timestamps]
    lines += [f"  timestamps {report.timestamps_note}"] if report.timestamps_note else []
    return ["", *lines] if lines else []


def _well_formed(leaves: list[Leaf], findings: Findings) -> bool:
    """Whether every known action carries its facts, so that the later checks can rely on them."""
    before = len(findings.found)
    for leaf in leaves:
        missing = [name for name in facts.required(leaf.action) if name not in leaf.facts]
        findings.expect(not missing, "facts", f"entry {leaf.index}", f"{leaf.action} misses {', '.join(missing)}")
        findings.counts["entries of unlisted actions"] += not facts.required(leaf.action)
    return len(findings.found) == before


def _guarded(check: Callable[[Archive, Findings], None], found: Archive, findings: Findings) -> None:
    try:
        check(found, findings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        findings.broken("facts", check.__module__, f"an entry's facts are malformed: {type(error).__name__}")


def public_key(given: str) -> notes.PublicKey:
    return _key(given, notes.PublicKey)


def _key(given: str, kind: type[AnyKey]) -> AnyKey:
    named, text = "\n" not in given, given
    try:
        if named and Path(given).is_file():
            named, text = False, Path(given).read_text()
        return kind.parse(text)
    except (notes.NoteError, OSError, UnicodeDecodeError) as error:
        no_file = ", and there is no file of this name" if named else ""
        raise Unusable(f"the public key cannot be used: {error}{no_file}") from error


def _inside(key: str, folder: Path) -> bool:
    return Path(key).is_file() and Path(key).resolve().is_relative_to(folder.resolve())


def _authority(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unusable("the timestamp authority's certificates cannot be read") from error


def _outside(paths: Sequence[Path], keys: Sequence[notes.PublicKey], findings: Findings) -> list[notes.Checkpoint]:
    """Those of the checkpoints that this log signed; one it did not sign is a finding, no reason to stop."""
    kept = []
    for path in paths:
        note = _note(path)
        try:
            text, key = rotations.opened_by(note, keys)
        except notes.NoteError as error:
            place = f"checkpoint from outside, {path.name}"
            findings.broken("checkpoints", place, f"not signed by the given key: {error}")
            continue
        try:
            kept.append(notes.Checkpoint.of_text(text, key))
        except notes.NoteError as error:
            raise _no_checkpoint(path, error) from error
    return kept


def _note(path: Path) -> bytes:
    try:
        note = path.read_bytes()
        notes.parts(note)
    except (notes.NoteError, OSError) as error:
        raise _no_checkpoint(path, error) from error
    return note


def _no_checkpoint(path: Path, error: Exception) -> Unusable:
    return Unusable(f"checkpoint {path.name} cannot be used: {error}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="audit.verify", description="Check an audit export offline.")
    parser.add_argument("export", type=Path, help="the folder written by export_audit")
    parser.add_argument("--key", required=True, help="the log's public key, or a file that holds it")
    parser.add_argument("--checkpoint", type=Path, nargs="*", default=[], help="checkpoints kept outside")
    parser.add_argument("--witness", action="append", default=[], help="a witness that must have cosigned; repeatable")
    parser.add_argument("--timestamp-ca", type=Path, help="certificates (PEM) to check RFC 3161 timestamps against")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
