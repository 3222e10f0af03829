"""What somebody chooses for themselves alone: the zone in which they read times, and the theme."""

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
THEMES = [("", "As the device is set"), ("light", "Light"), ("dark", "Dark")]


class PreferencesForm(forms.Form):
    time_zone = forms.CharField(
        required=False, max_length=60, label="Time zone",
        widget=forms.TextInput({"list": "zones", "autocomplete": "off"}),
        help_text="A name such as Europe/Zurich. Every time is shown in it, with its name. Empty: the site's own.",
    )  # fmt: skip
    theme = forms.ChoiceField(required=False, choices=THEMES, widget=forms.RadioSelect, help_text="In this browser.")

    def clean_time_zone(self) -> str:
        name = str(self.cleaned_data["time_zone"]).strip()
        if name and name not in available_timezones():
            raise forms.ValidationError("There is no time zone of this name: choose one of the list.")
        return name


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(http: HttpRequest) -> HttpResponse:
    now = {"time_zone": getattr(http.user, "time_zone", ""), "theme": http.COOKIES.get("theme", "")}
    form = PreferencesForm(http.POST or None, initial=now)
    if http.method == "POST" and form.is_valid():
        return kept(http, form.cleaned_data)
    zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    context = {"form": form, "zones": zones, "site_zone": settings.TIME_ZONE, "providers": settings.OIDC_PROVIDERS}
    return render(http, "people/preferences.html", context)


def kept(http: HttpRequest, chosen: dict[str, Any]) -> HttpResponse:
    User.objects.filter(username=http.user.get_username()).update(time_zone=chosen["time_zone"])
    messages.success(http, "Your settings are kept.")
    answer = redirect("preferences")
    if chosen["theme"]:
        answer.set_cookie("theme", chosen["theme"], max_age=YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)
    else:
        answer.delete_cookie("theme", samesite="Lax")
    return answer
