"""What time alone brings about: reminders for gates and recalls that wait, and the end of what nobody took further."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from llmsynthor_site import notices
from synthesis import reviewing
from synthesis.models import DownloadGrant, SynthesisRequest
from synthesis.states import RequestState as S
from synthesis.workflow import UNDECIDED

EVERY = timedelta(days=7)
AT_ONCE = 200
WAITS = "Request {0} has waited for {1} days."
RECALLED = "The package of your request {0} was recalled: acknowledge that you stopped using it."


def daily() -> None:
    """Expire and lapse what is over, then remind of what still waits; repeated calls do nothing twice."""
    reviewing.expire()
    reviewing.lapse()
    remind()


def remind() -> int:
    """A notice to those a request has waited for EVERY long, and again after as long; how many requests there were."""
    now = timezone.now()
    due = Q(reminded_at=None, since__lt=now - EVERY) | Q(reminded_at__lt=now - EVERY)
    found = SynthesisRequest.objects.filter(due, state__in=[*UNDECIDED, S.PAUSED, S.RECALLED])
    waiting = list(found.select_related("dataset", "requester").defer("snapshot")[:AT_ONCE])
    return sum(remind_of(request) for request in waiting)


def remind_of(request: SynthesisRequest) -> bool:
    """Claim the reminder, so that two workers never send one twice, then tell."""
    mine = SynthesisRequest.objects.filter(pk=request.pk, reminded_at=request.reminded_at, version=request.version)
    if not mine.update(reminded_at=timezone.now()):
        return False
    waited = (timezone.now() - request.since).days
    text = (RECALLED if request.state == S.RECALLED else WAITS).format(request.reference, waited)
    key = f"request:{request.pk}:{request.version}:{waited}"
    notices.tell(waited_for(request), text, url=request.get_absolute_url(), key=key)
    return True


def waited_for(request: SynthesisRequest) -> list[notices.User]:
    """The requester where it is with them, who still has to acknowledge, else the stewards who have not voted."""
    if request.state == S.RETURNED:
        return [request.requester]
    if request.state == S.RECALLED:
        grants = DownloadGrant.objects.filter(package__run__request=request, acknowledged_at=None)
        return [grant.user for grant in grants.select_related("user")]
    voted = request.votes.filter(round=request.round, gate__in=GATES.get(request.state, ()))
    return list(notices.stewards_for(request).exclude(pk__in=voted.values("voter")))


GATES: dict[str, tuple[str, ...]] = {
    S.IN_REVIEW: ("measure",), S.MEASURED: ("egress",), S.CHECKING: ("output",),
}  # fmt: skip
