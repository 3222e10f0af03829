"""A site whose one page fails while it holds what must not be shown; tests/canaries.py asks for it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path


def fails(http: HttpRequest) -> HttpResponse:
    held = {"key": settings.SECRET_KEY, "user": str(http.user)}
    raise KeyError(len(held))


urlpatterns = [path("", fails, name="home"), path("sign-in/", fails, name="account_login")]
