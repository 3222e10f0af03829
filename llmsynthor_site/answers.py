"""Which calls and forms were done already: kept for a day, then swept."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from llmsynthor_site.api_models import StoredAnswer

KEPT = timedelta(hours=24)
FORM = "form"
SENT_TWICE = "This form was sent already, and what it asked for was done. Look at the list before you send another one."


def fresh_key() -> str:
    """For a form that must not be carried out twice: it travels in a hidden field."""
    return secrets.token_urlsafe(16)


def first_time(user: Any, key: str) -> None:
    """Mark a form as carried out. ValidationError where it was; inside the caller's transaction, so both or neither."""
    try:
        with transaction.atomic():
            StoredAnswer.objects.create(user=user, via=FORM, key=key, fingerprint="")
    except IntegrityError:
        raise ValidationError(SENT_TWICE) from None


def forget() -> None:
    """Answers and forms whose time is over: their keys are free again."""
    StoredAnswer.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
