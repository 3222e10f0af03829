"""What happens when a gate opens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from audit import events
from audit.actors import actor
from synthesis import jobs
from synthesis.licence import LICENCE_VERSION
from synthesis.models import DownloadGrant, SynthesisRequest
from synthesis.states import Gate, JobKind
from synthesis.transitions import SYSTEM, move

GRANT_DAYS = 90


def start_measuring(request: SynthesisRequest, facts: dict[str, Any]) -> None:
    move(request, "approve", by=SYSTEM, facts=facts)
    if request.snapshot.get("structure") is None:
        jobs.enqueue(request, JobKind.MEASURE)
        return
    move(request, "structure", by=SYSTEM)
    jobs.enqueue(request, JobKind.STRUCTURE)


def start_synthesis(request: SynthesisRequest, facts: dict[str, Any]) -> None:
    # Whether anything leaves the organisation decides how many votes the gate needed; the verifier reads it here.
    move(request, "synthesise", by=SYSTEM, facts=facts | {"local": request.manifest.body["local"]})
    jobs.enqueue(request, JobKind.SYNTHESISE)


def hand_over(request: SynthesisRequest, facts: dict[str, Any]) -> None:
    """Give the requester, and nobody else, the right to download the package."""
    if request.renewals:
        renew(request, facts)
        return
    package = request.run.package
    grant = DownloadGrant.objects.create(
        package=package,
        user=request.requester,
        expires_at=timezone.now() + timedelta(days=GRANT_DAYS),
        licence_version=LICENCE_VERSION,
    )
    told = {
        "grant": str(grant.pk),
        "request": str(request.pk),
        "package": str(package.pk),
        "user": actor(request.requester),
        "expires": grant.expires_at.date().isoformat(),
        "content_hash": package.content_hash,
    }
    events.record(action="synthesis:grant:issued", by=SYSTEM, subject=f"package:{package.pk}", facts=told)
    move(request, "release", by=SYSTEM, facts=facts)


def renew(request: SynthesisRequest, facts: dict[str, Any]) -> None:
    """Open the grant of a package that was handed over before for another while."""
    grant = DownloadGrant.objects.get(package=request.run.package, user=request.requester)
    grant.expires_at, grant.revoked_at = timezone.now() + timedelta(days=GRANT_DAYS), None
    grant.save(update_fields=["expires_at", "revoked_at"])
    told = {"grant": str(grant.pk), "request": str(request.pk), "user": actor(request.requester),
            "expires": grant.expires_at.date().isoformat(), "renewal": request.renewals}  # fmt: skip
    events.record(action="synthesis:grant:renewed", by=SYSTEM, subject=f"package:{grant.package_id}", facts=told)
    move(request, "release", by=SYSTEM, facts=facts)


AFTER_GATE: dict[Gate, Callable[[SynthesisRequest, dict[str, Any]], None]] = {
    Gate.MEASURE: start_measuring,
    Gate.EGRESS: start_synthesis,
    Gate.OUTPUT: hand_over,
}
