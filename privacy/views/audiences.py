"""Who may ask for a dataset: its owner chooses organisations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from privacy import audiences, policies
from privacy.views.datasets import visible_dataset


class AudienceForm(forms.Form):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["organisations"] = forms.ModelMultipleChoiceField(
            audiences.known(), required=False, widget=forms.CheckboxSelectMultiple,
            help_text="Researchers of these alone see the dataset and ask for it. None: every researcher of the site.",
        )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
def audience_page(http: HttpRequest, pk: UUID) -> HttpResponse:
    dataset = visible_dataset(http, pk)
    policies.require(policies.may_upload(http.user, dataset), audiences.OWNER)
    asked = http.method == "POST"
    form = AudienceForm(http.POST if asked else None, initial={"organisations": dataset.limited_to.all()})
    if asked and form.is_valid():
        audiences.limit(by=http.user, dataset=dataset, **form.cleaned_data)
        messages.success(http, "Kept. It counts from now on.")
        return redirect(dataset)
    return render(http, "privacy/audience.html", {"form": form, "dataset": dataset, "any": audiences.known().exists()})
