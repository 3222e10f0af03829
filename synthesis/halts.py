"""Whether a kill switch stands in the way. Asked before a prompt is recorded, and again before it leaves."""

from __future__ import annotations

from django.db import connection

from audit import fixed
from synthesis.models import KillSwitch, SynthesisRequest
from synthesis.states import RequestState

ALL = "all"
STANDING = """
    SELECT * FROM synthesis_killswitch WHERE lifted_at IS NULL AND target IN (%s, %s, %s) ORDER BY id LIMIT 1
"""

IN_STATE = "SELECT id FROM synthesis_synthesisrequest WHERE id = %s AND state = %s"


def targets(request: SynthesisRequest) -> tuple[str, str, str]:
    """Every target whose switch stops this request."""
    return ALL, f"dataset:{request.dataset_id}", f"request:{request.pk}"


def standing(request: SynthesisRequest) -> str:
    """Why nothing of this request may leave now, or an empty string."""
    found = fixed.one(KillSwitch, STANDING, *targets(request))
    if found is None and request.state in (RequestState.STRUCTURING, RequestState.WITHDRAWN):  # not later any more
        return withdrawn(request)
    return notice(found) if found else ""


def withdrawn(request: SynthesisRequest) -> str:
    """Whoever asks may take a request back while its model is asked about the columns; it is looked up anew."""
    key = SynthesisRequest._meta.pk.get_db_prep_value(request.pk, connection)
    return "the request was withdrawn" if fixed.one(SynthesisRequest, IN_STATE, key, RequestState.WITHDRAWN) else ""


def standing_for_all() -> str:
    """Why nothing at all may leave now, or an empty string: for calls that belong to no request."""
    found = fixed.one(KillSwitch, STANDING, ALL, ALL, ALL)
    return notice(found) if found else ""


def notice(switch: KillSwitch) -> str:
    """The words a paused run carries; they name the switch, so that lifting it finds the runs it paused."""
    scope = switch.target.partition(":")[0]
    words = "everything" if scope == ALL else f"this {scope}"
    return f"kill switch {switch.pk} stands for {words}, set by {switch.set_by}"
