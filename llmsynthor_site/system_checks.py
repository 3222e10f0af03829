"""What a site's settings must satisfy together, checked at every start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from audit import keys, witnesses
from audit.errors import AuditError
from llmsynthor_site import production


def leases(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """A worker's lease must outlast one call through the door, or a second worker starts the same run."""
    if settings.JOB_LEASE_SECONDS > settings.DOOR_LEASE_SECONDS + 30:
        return []
    rule = "JOB_LEASE_SECONDS must be more than 30 seconds longer than DOOR_LEASE_SECONDS"
    return [Error(rule, id="llmsynthor_site.E001")]


def private_keys(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """A key that others may read is no key."""
    rule = "this key file may be read by others than its owner: allow its owner alone (chmod 600)"
    providers = Path(settings.PROVIDER_KEYS_FILE)  # may lie elsewhere
    found = {*keys.exposed(), *([providers] if providers.is_file() and providers.stat().st_mode & 0o077 else [])}
    return [Error(rule, obj=str(path), id="llmsynthor_site.E002") for path in sorted(found)]


def witness_settings(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Every witness can be addressed, and no more cosignatures are required than there are cosigners."""
    try:
        known = witnesses.configured()
    except AuditError as problem:
        return [Error(str(problem), id="llmsynthor_site.E003")]
    rules = []
    if sum(one.kind == "cosigner" for one in known) < settings.WITNESSES_REQUIRED:
        rules.append("WITNESSES_REQUIRED is more than the witnesses in WITNESSES that cosign (those with a url)")
    if any(one.kind == "mail" for one in known) and not settings.EMAIL_HOST:
        rules.append("a witness by e-mail needs EMAIL_HOST")
    return [Error(rule, id="llmsynthor_site.E003") for rule in rules]


def fit_for_production(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Nothing of a demonstration, and no key or anchor beside what it is to outlive."""
    return [Error(rule, id="llmsynthor_site.E004") for rule in production.problems()]
