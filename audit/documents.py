"""Documents that leave or are kept are written in English, whoever has them made: their bytes are hashed and signed."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation


def written(template: str, words: dict[str, Any]) -> str:
    """The document, the same whatever language the page is in from which it was asked for."""
    with translation.override(settings.LANGUAGE_CODE):
        return render_to_string(template, words)
