"""The filters of the log, kept in the address so that a view of the log can be sent to somebody."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any, cast

from django import forms
from django.utils import timezone

from audit import selectors

DAY = forms.DateInput({"type": "date"})


class LogFilter(forms.Form):
    action = forms.ChoiceField(required=False)
    by = forms.CharField(required=False, max_length=200, label="By")
    subject = forms.CharField(required=False, max_length=200, label="About")
    since = forms.DateField(required=False, widget=DAY, label="From")
    until = forms.DateField(required=False, widget=DAY, label="To")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ChoiceField", self.fields["action"]).choices = [
            ("", "Any"),
            *((name, name) for name in selectors.actions()),
        ]

    def filters(self) -> selectors.Filters:
        """What was asked for; a filter that cannot be read is shown as wrong and narrows nothing."""
        self.is_valid()
        asked = self.cleaned_data
        since, until = asked.get("since"), asked.get("until")
        return selectors.Filters(
            action=asked.get("action") or "",
            by=(asked.get("by") or "").strip(),
            subject=(asked.get("subject") or "").strip(),
            since=since and timezone.make_aware(datetime.combine(since, time.min)),
            until=until and timezone.make_aware(datetime.combine(until, time.max)),
        )
