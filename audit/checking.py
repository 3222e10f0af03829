"""The check behind the badge: the running log against what lies outside the database, then a real export of it,
read by the very verifier that an outsider runs.

The row is the queue, as everywhere: a check that a worker lost is taken up again when its time is over.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from audit import anchors, keys, livecheck, log, messages, verify
from audit.errors import AuditError, LogUnavailable
from audit.export import export
from audit.findings import Unusable
from audit.models import LogCheck

TASK = "llmsynthor_site.tasks.check_log"
REASON = "checked by the site itself"
AT_ONCE = 2_000
"""A log up to this many entries is checked while the person waits; a larger one by a worker."""
LONGEST = timedelta(hours=1)
KEPT = 200
"""Findings that are kept of one check; their number is kept in any case."""
Verdict = LogCheck.Verdict


@dataclass(frozen=True, slots=True)
class Badge:
    """What a page may say: the last finished check, whether one is waiting or running, and the log's size now."""

    last: LogCheck | None
    open: LogCheck | None
    size: int

    @property
    def since(self) -> int:
        """Entries of today's log that the last check has not seen."""
        return self.size - (self.last.size or 0) if self.last else self.size

    @property
    def whole(self) -> bool:
        """Everything that is in the log now was checked, and holds. Nothing else may look as if it did."""
        return self.last is not None and self.last.verdict == Verdict.HOLDS and self.since == 0


def badge() -> Badge:
    last = LogCheck.objects.exclude(finished_at=None).first()
    return Badge(last, LogCheck.objects.filter(_unfinished()).first(), log.size())


def ask(*, by: str) -> LogCheck:
    """A check to be made; the one that is waiting or running already, if there is one. A small log is checked now."""
    row = LogCheck.objects.filter(_unfinished()).first() or LogCheck.objects.create(by=by)
    if log.size() > AT_ONCE:
        kick(row.pk)
        return row
    carry_out(row.pk)
    row.refresh_from_db()
    return row


def kick(pk: int) -> None:
    """Tell the workers. A message that is lost costs only time: the sweeper kicks again."""
    messages.tell(TASK, pk)


def waiting() -> list[int]:
    """Checks that nobody works on: new ones, and those whose worker fell silent."""
    lost = Q(started_at__lt=timezone.now() - LONGEST)
    open_ones = LogCheck.objects.filter(Q(started_at=None) | lost, finished_at=None)
    return [check.pk for check in messages.some(open_ones.order_by("pk"))]


def carry_out(pk: int) -> None:
    """Make one check, if it is there to take; whatever comes of it is written down."""
    now = timezone.now()
    free = LogCheck.objects.filter(Q(started_at=None) | Q(started_at__lt=now - LONGEST), pk=pk, finished_at=None)
    if not free.update(started_at=now):
        return
    row = LogCheck.objects.get(pk=pk)
    try:
        outcome = _outcome(row.by)
    except LogUnavailable as problem:
        outcome = _failed(Verdict.BROKEN, "log", problem)
    except Exception as problem:  # a check that cannot be made is told as such, and not tried for ever
        outcome = _failed(Verdict.UNUSABLE, "check", problem)
    LogCheck.objects.filter(pk=pk, started_at=now).update(finished_at=timezone.now(), **outcome)


def _outcome(by: str) -> dict[str, Any]:
    """Both checks. The folder lies in the site's own, closed to other accounts, and is gone afterwards."""
    live = livecheck.check()
    with tempfile.TemporaryDirectory(prefix="check-", dir=settings.SITE_DIR) as name:
        folder = Path(name) / "export"
        export(folder, by=by, reason=REASON)
        report = verify.verify(folder, key=str(keys.public()), checkpoints=_anchor())
    findings = [asdict(one) for one in live.found] + report.findings
    return {
        "verdict": Verdict.BROKEN if findings else Verdict.HOLDS,
        "size": report.size, "root": report.root,
        "counts": {name: count for name, count in (dict(live.counts) | report.counts).items() if count},
        "findings": findings[:KEPT], "found": len(findings),
    }  # fmt: skip


def _anchor() -> Sequence[Path]:
    """The checkpoint that lies outside the database, as an outsider would bring one."""
    path = anchors.folder() / anchors.LATEST
    return [path] if path.exists() else []


def _failed(verdict: str, check: str, problem: Exception) -> dict[str, Any]:
    message = str(problem) if isinstance(problem, AuditError | Unusable) else type(problem).__name__
    finding = {"check": check, "place": "the whole log", "message": message}
    return {"verdict": verdict, "findings": [finding], "found": 1}


def _unfinished() -> Q:
    return Q(finished_at=None)
