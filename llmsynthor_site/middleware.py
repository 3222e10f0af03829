"""The log must be writable, or nothing happens and the site says so calmly; and times in one's own zone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from audit.errors import LogUnavailable

log = logging.getLogger(__name__)


class LogMustBeWritable:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, LogUnavailable):
            return None
        log.error("the audit log is not available: %s", exception)
        return render(request, "log_unavailable.html", status=503)


class TimesInOnesOwnZone:
    """Whoever chose a time zone sees every time in it, with its name; everybody else in the site's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chosen = getattr(request.user, "time_zone", "")
        try:
            with timezone.override(ZoneInfo(chosen) if chosen else None):
                return self.get_response(request)
        except ZoneInfoNotFoundError:  # a zone that this machine no longer knows
            return self.get_response(request)
