"""Filters of the desk, kept in the address."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from audit.forms import PeriodForm
from audit.models import PromptRecord
from privacy.choosing import BoundedChoiceField
from privacy.models import Dataset, LedgerEntry, Population


def offer(form: forms.Form, name: str, choices: Any) -> None:
    cast("forms.ChoiceField", form.fields[name]).choices = [("", "Any"), *choices]


class OfDataset(PeriodForm):
    """A period and a dataset."""

    dataset = BoundedChoiceField(
        queryset=Dataset.objects.only("title").order_by("title"), required=False, empty_label="Any",
        elsewhere="Any other leads here from its own page.",
    )  # fmt: skip


class LedgerFilter(OfDataset):
    field_order = ("population", "dataset", "kind", "request", "since", "until", "zone")
    population = forms.ModelChoiceField(
        queryset=Population.objects.only("name"),
        required=False,
        widget=forms.HiddenInput,  # the list above links it
    )
    kind = forms.ChoiceField(required=False, choices=[("", "Any"), *LedgerEntry.Kind.choices])
    request = forms.UUIDField(required=False, error_messages={"invalid": "This is not the id of a request."})


class ExposureForm(OfDataset):
    field_order = ("endpoint", "dataset", "since", "until", "zone")
    endpoint = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = PromptRecord.objects.order_by("endpoint").values_list("endpoint", flat=True).distinct()
        offer(self, "endpoint", [(name, name) for name in names])


class DutiesFilter(PeriodForm):
    field_order = ("only", "person", "since", "until", "zone")
    only = forms.ChoiceField(
        required=False, choices=[("", "All requests"), ("conflicts", "Requests with a conflict")], label="Show"
    )
    person = forms.CharField(required=False, max_length=150, label="Username")


class LineageFilter(OfDataset):
    field_order = ("dataset", "model", "template", "since", "until", "zone")
    model = forms.CharField(required=False, max_length=200, label="Model")
    template = forms.RegexField(
        r"^[0-9a-f]{64}$", required=False, label="Template (SHA-256)",
        error_messages={"invalid": "A template is named by its SHA-256: 64 characters from 0 to 9 and a to f."},
    )  # fmt: skip


class AccessFilter(OfDataset):
    field_order = ("person", "dataset", "since", "until", "zone")
    person = forms.CharField(required=False, max_length=150, label="Username")
