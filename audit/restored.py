"""Whether the site's own database is as new as its log, and what it has forgotten where it is not.

The anchor shows that an older *log* was restored. An older database of the site beside the whole log would be
worse: spent privacy loss would be there to spend again, and roles taken away would be back. So what the site
recorded and the log holds must still be known to the site, or nothing is recorded any more.
"""

from __future__ import annotations

from collections.abc import Sequence

from audit import canonical, entering
from audit.errors import LogUnavailable
from audit.leaves import Leaf
from audit.models import LogEntry, Outbox

RECORDED = "recorded:"
"""How the id of an event begins that has its row in the site's database."""


def check() -> None:
    """LogUnavailable where the newest entry that came from the site's database is unknown to it.

    The newest is enough: entries follow their rows, so whatever an older state lacks came after all it has.
    """
    newest = _after(Outbox.objects.order_by("-index").exclude(index=None).values_list("index", flat=True).first())
    if newest is not None and not Outbox.objects.filter(event_id=newest).exists():
        raise LogUnavailable(
            "the site's database lacks events that the log tells of: an older state was restored (reconcile_site)"
        )


def _after(index: int | None) -> str | None:
    """The id of the newest recorded event beyond this entry."""
    with entering.unavailable():
        later = LogEntry.objects.filter(index__gt=-1 if index is None else index, event_id__startswith=RECORDED)
        found: str | None = later.order_by("-index").values_list("event_id", flat=True).first()
    return found


def forgotten() -> list[Leaf]:
    """The entries, oldest first, whose events the site's database no longer knows."""
    known = set(Outbox.objects.values_list("event_id", flat=True))
    with entering.unavailable():
        told = LogEntry.objects.filter(event_id__startswith=RECORDED).order_by("index")
        lost = [index for index, event in told.values_list("index", "event_id") if event not in known]
        leaves = LogEntry.objects.filter(index__in=lost).order_by("index").values_list("leaf", flat=True)
        return [Leaf.from_bytes(bytes(leaf)) for leaf in leaves]


def remember(leaves: Sequence[Leaf]) -> None:
    """Let the site know these events again, in the caller's transaction; they are in the log already."""
    Outbox.objects.bulk_create(
        [
            Outbox(
                event_id=leaf.event, action=leaf.action, by=leaf.by, subject=leaf.subject,
                facts=canonical.dumps(leaf.facts), index=leaf.index,
            )
            for leaf in leaves
        ],
        batch_size=200,
    )  # fmt: skip
