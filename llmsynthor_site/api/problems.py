"""Refusals as problem details (RFC 9457): what rule was broken, and of which field. Never a cell's value."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import set_rollback

from audit.errors import ErasureRefused, LogUnavailable
from privacy.errors import PrivacyError
from privacy.problems import ProblemsFound
from synthesis.transitions import NotNow

log = logging.getLogger(__name__)
TYPE = "application/problem+json"


class ProblemRenderer(JSONRenderer):
    media_type = TYPE


def handler(problem: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to a refusal of any room; None for what nobody expected, which is a fault of the site."""
    found = told(problem)
    if found is None:
        return None
    status, detail, errors = found
    set_rollback()
    title = HttpResponse(status=status).reason_phrase
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    answer = Response(body | ({"errors": errors} if errors else {}), status=status, headers=headers(problem))
    answer.content_type = TYPE
    context["request"].accepted_renderer, context["request"].accepted_media_type = ProblemRenderer(), TYPE
    return answer


Told = tuple[int, str, list[dict[str, Any]]]


def told(problem: Exception) -> Told | None:
    """Status, words, and what is wrong by field."""
    for kind, tell in KINDS:
        if isinstance(problem, kind):
            return tell(problem)
    return None


def of_api(problem: Any) -> Told:
    if isinstance(problem, exceptions.ValidationError):
        return 422, "What was sent breaks a rule.", list(flat(problem.detail))
    return problem.status_code, str(problem.detail), []


def flat(detail: Any, field: str = "") -> Any:
    """Errors of nested fields in one list, each with the path of its field."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            own = "" if name == "non_field_errors" else str(name)
            yield from flat(inner, ".".join(part for part in (field, own) if part))
    elif isinstance(detail, list):
        for place, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            yield from flat(inner, f"{field}.{place}" if nested else field)
    else:
        yield {"field": field, "rule": str(detail)}


def of_validation(problem: Any) -> Told:
    by_field = problem.message_dict if hasattr(problem, "error_dict") else {"": problem.messages}
    errors = [
        {"field": name.replace("__all__", ""), "rule": rule} for name, rules in by_field.items() for rule in rules
    ]
    return 422, "What was sent breaks a rule.", errors


def of_problems(problem: Any) -> Told:
    """Of a declaration or a file: the column and the rule, the line and how often; never what stood there."""
    errors = [{"field": one.column, "rule": one.rule, "line": one.line, "count": one.count} for one in problem.problems]
    return 422, "What was sent does not fit.", errors


def of_log(problem: Any) -> Told:
    log.error("the audit log is not available: %s", problem)
    return 503, "The audit log cannot be written, so nothing may happen. An administrator has to look.", []


KINDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Any], ...] = (
    (exceptions.APIException, of_api),
    (Http404, lambda problem: (404, "There is no such thing, or you may not see it.", [])),
    (PermissionDenied, lambda problem: (403, str(problem) or "You may not do that.", [])),
    (ValidationError, of_validation),
    (NotNow, lambda problem: (409, str(problem), [])),
    (ProblemsFound, of_problems),
    (PrivacyError, lambda problem: (422, f"{str(problem).capitalize()}.", [])),
    (ErasureRefused, lambda problem: (409, f"Not done: {problem}.", [])),
    (RequestDataTooBig, lambda problem: (413, "That is larger than the site takes.", [])),
    (LogUnavailable, of_log),
)


def headers(problem: Exception) -> dict[str, str]:
    found = {}
    if getattr(problem, "auth_header", ""):
        found["WWW-Authenticate"] = problem.auth_header  # type: ignore[attr-defined]
    if getattr(problem, "wait", None):
        found["Retry-After"] = str(int(problem.wait) + 1)  # type: ignore[attr-defined]
    return found
