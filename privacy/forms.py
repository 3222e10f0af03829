"""What an owner hands in: a declaration, and a file that must fit it. The services judge both."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat


def no_larger_than(limit: str) -> Any:
    """A rule for an uploaded file: at most the site's limit of that name."""

    def rule(file: UploadedFile[bytes]) -> None:
        most = settings.LIMITS[limit]
        if file.size is not None and file.size > most:
            raise ValidationError(f"The file is larger than the limit of {filesizeformat(most)}.")

    return rule


class SeveralInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One file, or several at once: a list of them, empty where none was chosen and none is needed."""

    widget = SeveralInput

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        given = data if isinstance(data, list) else [data]
        found = [super(FilesField, self).clean(one, initial) for one in given]
        return [one for one in found if one]


class DataForm(forms.Form):
    file = FilesField(
        label="Data file", validators=[no_larger_than("upload_bytes")],
        help_text="CSV in UTF-8 with the declared columns in its header; of related tables all their files at once, or "
        "one ZIP of them. Once sealed, no page can read it back.",
        error_messages={"empty": "The file is empty.", "required": "Choose the data file."},
    )  # fmt: skip


class RegisterForm(DataForm):
    """Both files at once; the data may also follow later, on the dataset's own page."""

    field_order = ("title", "declaration", "file")
    title = forms.CharField(
        max_length=200, required=False, help_text="Left empty, the declaration's own title is used."
    )
    declaration = forms.FileField(
        label="Declaration", validators=[no_larger_than("declaration_bytes")],
        help_text="JSON: columns, privacy unit, population, cap, purposes. Write it without looking at the data.",
        error_messages={"empty": "The declaration is empty.", "required": "Choose the declaration."},
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].required = False


def add_refusal(form: forms.Form, refusal: ValidationError) -> None:
    """Show a service's refusal beside the field it names, or at the top of the form."""
    if not hasattr(refusal, "error_dict"):
        form.add_error(None, refusal)
        return
    for name, errors in refusal.error_dict.items():
        form.add_error(name if name in form.fields else None, errors)
