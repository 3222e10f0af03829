"""One-steward mode of a dataset: its owner signs a waiver on one page and ends it on another."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from privacy import policies, selectors, waivers
from privacy.forms import add_refusal
from privacy.views.datasets import at_stake, visible_dataset
from privacy.waiver_text import WAIVER_TEXT, WAIVER_VERSION, digest


class EndForm(forms.Form):
    reason = forms.CharField(
        max_length=500, widget=forms.Textarea({"rows": 3}), label="Why", help_text="Kept in the log, word for word."
    )


class SignForm(EndForm):
    field_order = ("seen", "reason", "accept")
    seen = forms.RegexField(r"^[0-9a-f]{64}$", widget=forms.HiddenInput)
    accept = forms.BooleanField(
        label="I have read these words and sign them.",
        error_messages={"required": "Say that you have read the words and sign them."},
    )


@require_http_methods(["GET", "HEAD", "POST"])
def sign_page(http: HttpRequest, pk: UUID) -> HttpResponse:
    """The hash of the words that were on the page travels with the signature."""
    dataset = visible_dataset(http, pk)
    policies.require(policies.may_waive(http.user, dataset), waivers.OWNER)
    if selectors.standing_waiver(dataset) is not None:
        messages.info(http, "A waiver stands already: one steward decides.")
        return redirect(dataset)
    form = SignForm(http.POST or None, initial={"seen": digest()})
    if http.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            waivers.sign(by=http.user, dataset=dataset, seen=given["seen"], reason=given["reason"])
            messages.success(http, "Signed. One steward decides on requests that are submitted from now on.")
            return redirect(dataset)
        except ValidationError as refusal:
            add_refusal(form, refusal)
    words = {"text": WAIVER_TEXT, "version": WAIVER_VERSION, "sha256": digest()}
    return render(http, "privacy/waiver_sign.html", {"form": form, "dataset": dataset, **words, **at_stake(dataset)})


@require_http_methods(["GET", "HEAD", "POST"])
def end_page(http: HttpRequest, pk: UUID) -> HttpResponse:
    dataset = visible_dataset(http, pk)
    policies.require(policies.may_waive(http.user, dataset), waivers.OWNER)
    standing = selectors.standing_waiver(dataset)
    if standing is None:
        messages.info(http, "No waiver stands: two stewards decide.")
        return redirect(dataset)
    form = EndForm(http.POST or None)
    if http.method == "POST" and form.is_valid():
        try:
            waivers.end(by=http.user, waiver=standing, **form.cleaned_data)
            messages.success(http, "Ended. Two stewards decide at every gate that has not decided yet.")
            return redirect(dataset)
        except ValidationError as refusal:
            add_refusal(form, refusal)
    return render(http, "privacy/waiver_end.html", {"form": form, "dataset": dataset, "waiver": standing})
