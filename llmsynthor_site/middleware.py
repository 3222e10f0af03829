"""When the audit log cannot be written, nothing may happen: the site says so calmly instead of failing."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

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
