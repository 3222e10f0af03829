"""The filters of the log, kept in the address so that a view of the log can be sent to somebody, and what is asked
before a part of it becomes a file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, cast
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.conf import settings
from django.utils import timezone

from audit import entries

WORDS = 5
"""How many words one search may hold."""


def zone_of(cookies: Mapping[str, str]) -> str:
    """The reader's time zone as their browser told it, or the site's."""
    told = cookies.get("zone", "")
    return told if told in available_timezones() else str(settings.TIME_ZONE)


class PeriodForm(forms.Form):
    """Days from and to, in a time zone that stands in the address too: a link shows the same to everyone."""

    since = forms.DateField(required=False, widget=forms.DateInput({"type": "date"}), label="From")
    until = forms.DateField(required=False, widget=forms.DateInput({"type": "date"}), label="To")
    zone = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)

    def __init__(self, data: Any, *args: Any, zone: str = "UTC", **kwargs: Any) -> None:
        super().__init__({**data.dict(), "zone": self.zone_in(data, zone)}, *args, **kwargs)
        for name in ("since", "until"):
            self.fields[name].label = f"{self.fields[name].label} ({self.data['zone']})"

    @staticmethod
    def zone_in(data: Any, zone: str) -> str:
        asked = str(data.get("zone", ""))
        return asked if asked in available_timezones() else zone

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("since") and found.get("until") and found["until"] < found["since"]:
            self.add_error("until", "The last day is before the first.")
        return found

    @property
    def asked(self) -> dict[str, Any]:
        """What could be read; a filter that cannot is shown as wrong and narrows nothing."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value and name != "zone"}

    def moments(self) -> dict[str, datetime | None]:
        """The first and the last moment of these days."""
        asked = self.asked
        return {
            "since": self.moment(asked.get("since"), time.min),
            "until": self.moment(asked.get("until"), time.max),
        }

    def moment(self, day: date | None, at: time) -> datetime | None:
        return timezone.make_aware(datetime.combine(day, at), ZoneInfo(self.data["zone"])) if day else None


class LogFilter(PeriodForm):
    field_order = ("action", "words", "by", "subject", "mentions", "since", "until", "zone")
    action = forms.ChoiceField(required=False)
    words = forms.CharField(required=False, max_length=200, label="Words in the entry")
    by = forms.CharField(required=False, max_length=200, label="By")
    subject = forms.CharField(required=False, max_length=200, label="About")
    mentions = forms.UUIDField(
        required=False, label="Names request or dataset",
        error_messages={"invalid": "This is not the id of a request or dataset."},
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = found = tuple(entries.actions())
        kinds = sorted({action.rpartition(":")[0] for action in found})
        cast("forms.ChoiceField", self.fields["action"]).choices = [
            ("", "Any"),
            ("Every action on", [(kind, kind.replace(":", ": ").replace("_", " ")) for kind in kinds]),
            ("One action", [(name, name) for name in found]),
        ]

    def clean_words(self) -> tuple[str, ...]:
        words = tuple(str(self.cleaned_data["words"]).split())
        if len(words) > WORDS:
            raise forms.ValidationError(f"At most {WORDS} words can be searched for at once.")
        return words

    def filters(self) -> entries.Filters:
        asked = self.asked
        return entries.Filters(
            action=asked.get("action", ""),
            by=asked.get("by", "").strip(),
            subject=asked.get("subject", "").strip(),
            words=asked.get("words", ()),
            mentions=str(asked.get("mentions", "")),
            known=self.known,
            **self.moments(),
        )


class ReasonForm(forms.Form):
    """Why something leaves as a file; the reason stands in the log."""

    reason = forms.CharField(
        max_length=500, widget=forms.Textarea({"rows": 2}), label="Reason",
        help_text="It is written into the log with your name, before the file is made.",
    )  # fmt: skip

    def clean_reason(self) -> str:
        reason = str(self.cleaned_data["reason"]).strip()
        if len(reason) < 5:
            raise forms.ValidationError("Say in a few words what the file is for.")
        return reason


class ListExportForm(ReasonForm):
    form = forms.ChoiceField(
        choices=[("jsonl", "JSON lines: one object a line, exact"), ("csv", "CSV: for a spreadsheet")],
        label="Format", widget=forms.RadioSelect, initial="jsonl",
    )  # fmt: skip
