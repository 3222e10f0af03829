"""A list to choose from that does not grow with the table behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.forms.models import ModelChoiceIterator
from django.utils.functional import cached_property

OFFERED = 100


class FirstRows(ModelChoiceIterator):
    """The first rows alone."""

    field: BoundedChoiceField

    def __iter__(self) -> Iterator[Any]:
        if self.field.empty_label is not None:
            yield "", self.field.empty_label
        for row in self.field.first[:OFFERED]:
            yield self.choice(row)


class FewOfMany(forms.Select):
    """Shows the first rows, and whichever row is chosen although it is not among them."""

    choices: Any

    def optgroups(self, name: str, value: list[str], attrs: dict[str, Any] | None = None) -> list[Any]:
        groups = super().optgroups(name, value, attrs)
        shown = {str(option["value"]) for _, options, _ in groups for option in options}
        missing = [row for one in value if one not in shown and (row := self.row(one)) is not None]
        for index, row in enumerate(missing, start=len(groups)):
            label = self.choices.field.label_from_instance(row)
            groups.append((None, [self.create_option(name, row.pk, label, True, index, attrs=attrs)], index))
        return groups

    def row(self, key: str) -> Any:
        """The row of that key, or nothing: what is no key at all is for the field to say."""
        try:
            return self.choices.field.to_python(key)
        except forms.ValidationError:
            return None


class BoundedChoiceField(forms.ModelChoiceField):
    """Chooses a row of a table of any size. The page offers the first hundred; the address may name any other,
    which is how pages that list or search the rows lead here."""

    widget = FewOfMany
    iterator = FirstRows

    def __init__(self, *args: Any, elsewhere: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.elsewhere = elsewhere

    @cached_property
    def first(self) -> list[Any]:
        """The rows to offer and one more, which tells that there are others; one question for both."""
        return list(self.queryset[: OFFERED + 1]) if self.queryset is not None else []

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> forms.BoundField:
        if self.elsewhere and len(self.first) > OFFERED:
            self.help_text = f"The first {OFFERED} are listed. {self.elsewhere}"
        return super().get_bound_field(form, field_name)
