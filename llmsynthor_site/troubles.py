"""What people see when something that every page needs is away."""

from __future__ import annotations

import logging
import sys

from django.db import InterfaceError, OperationalError, ProgrammingError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error

log = logging.getLogger(__name__)
AGAIN_SECONDS = 60


def broken(request: HttpRequest) -> HttpResponse:
    """Django's handler of what nobody expected: calm words where it is a database that is away, or half migrated."""
    problem = sys.exc_info()[1]
    if not isinstance(problem, OperationalError | InterfaceError | ProgrammingError):
        return server_error(request)
    log.error("a database is not available: %s", type(problem).__name__)
    page = render_to_string("database_unavailable.html")  # without the request: who is signed in is in the database
    return HttpResponse(page, status=503, headers={"Retry-After": str(AGAIN_SECONDS)})
