"""Idempotency keys: a POST that is sent again under the same key is answered as before, and changes nothing.

A call that failed changed nothing either, so its key is free again. One that never came to its end (the process
died) keeps its key taken: whether it took effect has to be looked up, and is not guessed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.utils import timezone

from llmsynthor_site.answers import KEPT
from llmsynthor_site.api.authentication import secret_in, token_of
from llmsynthor_site.api.problems import TYPE
from llmsynthor_site.api_models import StoredAnswer

HEADER, PLACE = "Idempotency-Key", "/api/"
KEY = re.compile(r"[\x21-\x7e]{1,100}")
UNDER_WAY = "A call with this key has not come to its end. Look whether it took effect before you use another key."
OTHER = "This key was used for another call. Use a new key for each thing you want done."
DONE_BEFORE = "This call was done before. Its answer held a secret, which is kept nowhere: make another one."
Answer = Callable[[HttpRequest], HttpResponse]


class Idempotent:
    """Middleware; what stands below it decides who may do what."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, http: HttpRequest) -> HttpResponse:
        key = http.headers.get(HEADER)
        if key is None or http.method != "POST" or not http.path.startswith(PLACE):
            return self.get_response(http)
        if not KEY.fullmatch(key):
            return problem(422, f"{HEADER} has 1 to 100 visible ASCII characters.")
        token = token_of(http)
        if secret_in(http) is not None and token is None:
            return self.get_response(http)  # refused there
        user, via = (token.user, f"token:{token.pk}") if token else (http.user, "session")
        if not user.is_authenticated:
            return self.get_response(http)
        return self.once(http, {"user": user, "via": via, "key": key})

    def once(self, http: HttpRequest, named: dict[str, Any]) -> HttpResponse:
        try:
            mark = fingerprint(http)
        except RequestDataTooBig:
            return problem(413, "That is larger than the site takes.")
        except MultiPartParserError:
            return problem(400, "The form cannot be read.")
        StoredAnswer.objects.filter(**named, created_at__lt=timezone.now() - KEPT).delete()
        try:
            with transaction.atomic():
                row = StoredAnswer.objects.create(**named, fingerprint=mark)
        except IntegrityError:
            return again(StoredAnswer.objects.filter(**named).first(), mark)
        answer = self.get_response(http)
        keep(row, answer)
        return answer


def fingerprint(http: HttpRequest) -> str:
    """SHA-256 of method, address and body; RequestDataTooBig, or MultiPartParserError for a form that is none."""
    body = form(http) if (http.content_type or "").startswith("multipart/") else http.body
    told = f"{http.method} {http.get_full_path()}\n".encode()
    return hashlib.sha256(told + body).hexdigest()


def form(http: HttpRequest) -> bytes:
    """A form's fields and files, whatever the boundary between them. A file is read once, by whoever takes it in, so
    what stands for it here is the hash made while it was spooled.
    """
    files: Any = http.FILES.lists()
    told = [[name, one.name, one.content_type, one.sha256] for name, many in files for one in many]
    return json.dumps([sorted(http.POST.lists()), sorted(told)]).encode()


def keep(row: StoredAnswer, answer: HttpResponse) -> None:
    if answer.status_code >= 300 or answer.streaming:
        row.delete()
        return
    row.status, row.content_type = answer.status_code, answer.get("Content-Type", "")
    row.location, row.etag = answer.get("Location", ""), answer.get("ETag", "")
    row.body = None if "no-store" in answer.get("Cache-Control", "") else answer.content
    row.save()


def again(row: StoredAnswer | None, mark: str) -> HttpResponse:
    if row is not None and row.fingerprint != mark:
        return problem(422, OTHER)
    if row is None or row.status is None:
        return problem(409, UNDER_WAY)
    if row.body is None:
        return problem(409, DONE_BEFORE)
    answer = HttpResponse(bytes(row.body), status=row.status, content_type=row.content_type)
    for name, value in (("Location", row.location), ("ETag", row.etag), ("Idempotent-Replay", "true")):
        if value:
            answer[name] = value
    return answer


def problem(status: int, detail: str) -> HttpResponse:
    body = {"type": "about:blank", "title": "Not done", "status": status, "detail": detail}
    return HttpResponse(json.dumps(body), status=status, content_type=TYPE)
