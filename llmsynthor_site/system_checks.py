"""What a site's settings must satisfy together, checked at every start."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error


def leases(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """A worker's lease must outlast one call through the door, or a second worker starts the same run."""
    if settings.JOB_LEASE_SECONDS > settings.DOOR_LEASE_SECONDS + 30:
        return []
    rule = "JOB_LEASE_SECONDS must be more than 30 seconds longer than DOOR_LEASE_SECONDS"
    return [Error(rule, id="llmsynthor_site.E001")]
