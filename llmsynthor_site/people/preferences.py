"""What somebody chooses for themselves alone: the language, the zone in which they read times, and the theme."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from llmsynthor_site.models import User

YEAR = 365 * 24 * 3600
LANGUAGES = [("", "As the browser asks"), *settings.LANGUAGES]
KEPT = ("time_zone", "language")
"""What the person's account keeps; the rest stays in the browser."""
THEMES = [("", "As the device is set"), ("light", "Light"), ("dark", "Dark")]


class PreferencesForm(forms.Form):
    time_zone = forms.CharField(
        required=False, max_length=60, label="Time zone",
        widget=forms.TextInput({"list": "zones", "autocomplete": "off"}),
        help_text="A name such as Europe/Zurich. Every time is shown in it, with its name. Empty: the site's own.",
    )  # fmt: skip
    language = forms.ChoiceField(
        required=False, choices=LANGUAGES, widget=forms.RadioSelect,
        help_text="Of pages, and of messages to you. The log, packages and the API are in English for everybody.",
    )  # fmt: skip
    theme = forms.ChoiceField(required=False, choices=THEMES, widget=forms.RadioSelect, help_text="In this browser.")

    def clean_time_zone(self) -> str:
        name = str(self.cleaned_data["time_zone"]).strip()
        if name and name not in available_timezones():
            raise forms.ValidationError("There is no time zone of this name: choose one of the list.")
        return name


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(http: HttpRequest) -> HttpResponse:
    now = {name: getattr(http.user, name, "") for name in KEPT} | {"theme": http.COOKIES.get("theme", "")}
    form = PreferencesForm(http.POST or None, initial=now)
    if http.method == "POST" and form.is_valid():
        return kept(http, form.cleaned_data)
    zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    context = {"form": form, "zones": zones, "site_zone": settings.TIME_ZONE, "providers": settings.OIDC_PROVIDERS}
    return render(http, "people/preferences.html", context)


def kept(http: HttpRequest, chosen: dict[str, Any]) -> HttpResponse:
    User.objects.filter(username=http.user.get_username()).update(**{name: chosen[name] for name in KEPT})
    messages.success(http, "Your settings are kept.")
    answer = redirect("preferences")
    for name in ("theme", "language"):  # the language too: the page on which one signs in is in it
        keep_cookie(answer, name, chosen[name])
    return answer


def keep_cookie(answer: HttpResponse, name: str, value: str) -> None:
    if value:
        answer.set_cookie(name, value, max_age=YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)
    else:
        answer.delete_cookie(name, samesite="Lax")
