"""Whether a kill switch stands in the way. Asked before a prompt is recorded, and again before it leaves."""

from __future__ import annotations

from synthesis.models import KillSwitch, SynthesisRequest
from synthesis.states import RequestState

ALL = "all"


def targets(request: SynthesisRequest) -> tuple[str, str, str]:
    """Every target whose switch stops this request."""
    return ALL, f"dataset:{request.dataset_id}", f"request:{request.pk}"


def standing(request: SynthesisRequest) -> str:
    """Why nothing of this request may leave now, or an empty string."""
    found = KillSwitch.objects.filter(target__in=targets(request), lifted_at=None).order_by("pk").first()
    return notice(found) if found else withdrawn(request)


def withdrawn(request: SynthesisRequest) -> str:
    """Whoever asks may take a request back while its model is asked about the columns; it is looked up anew."""
    gone = SynthesisRequest.objects.filter(pk=request.pk, state=RequestState.WITHDRAWN).exists()
    return "the request was withdrawn" if gone else ""


def standing_for_all() -> str:
    """Why nothing at all may leave now, or an empty string: for calls that belong to no request."""
    found = KillSwitch.objects.filter(target=ALL, lifted_at=None).first()
    return notice(found) if found else ""


def notice(switch: KillSwitch) -> str:
    """The words a paused run carries; they name the switch, so that lifting it finds the runs it paused."""
    scope = switch.target.partition(":")[0]
    words = "everything" if scope == ALL else f"this {scope}"
    return f"kill switch {switch.pk} stands for {words}, set by {switch.set_by}"
