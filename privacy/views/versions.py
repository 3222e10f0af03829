"""How long a version of the data is kept: its owner sets a last day on one page and destroys it on another."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods

from privacy import policies, retention, selectors
from privacy.errors import PrivacyError
from privacy.models import DatasetVersion
from privacy.views.datasets import visible_dataset
from privacy.views.waivers import EndForm


class LastDayForm(forms.Form):
    day = forms.DateField(
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        label=format_lazy("{} ({})", gettext_lazy("Last day"), settings.TIME_ZONE),
        help_text=gettext_lazy("It may still be measured on that day. The night after, it is destroyed."),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def last_day_page(http: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    version = own_version(http, pk, number)
    if not version.measurable:
        return is_over(http, version)
    form = LastDayForm(http.POST or None, initial={"day": version.keep_until})
    if http.method == "POST" and form.is_valid():
        try:
            retention.keep_until(by=http.user, version=version, **form.cleaned_data)
            messages.success(http, gettext("Kept. It counts from now on."))
            return redirect(version.dataset)
        except PrivacyError as refusal:
            form.add_error("day", f"{str(refusal).capitalize()}.")
    return render(http, "privacy/version_last_day.html", {"form": form, "version": version, "dataset": version.dataset})


@require_http_methods(["GET", "HEAD", "POST"])
def destroy_page(http: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    version = own_version(http, pk, number)
    if version.destroyed_at is not None:
        return is_over(http, version)
    form = EndForm(http.POST or None)
    if http.method == "POST" and form.is_valid():
        retention.destroy_version(by=http.user, version=version, **form.cleaned_data)
        messages.success(http, gettext("Destroyed. Nobody can read its rows again."))
        return redirect(version.dataset)
    left = selectors.measurable(version.dataset).exclude(pk=version.pk).last()
    told = {"left": left, "measuring": selectors.unfinished(version).count()}
    return render(
        http, "privacy/version_destroy.html", {"form": form, "version": version, "dataset": version.dataset, **told}
    )


def own_version(http: HttpRequest, pk: UUID, number: int) -> DatasetVersion:
    dataset = visible_dataset(http, pk)
    policies.require(policies.may_destroy(http.user, dataset), retention.OWNER)
    return get_object_or_404(DatasetVersion.objects.select_related("dataset"), dataset=dataset, number=number)


def is_over(http: HttpRequest, version: DatasetVersion) -> HttpResponse:
    """A form that was sent twice, or that somebody opened before it was too late."""
    messages.info(http, gettext("This version was destroyed already, or its last day is over."))
    return redirect(version.dataset)
