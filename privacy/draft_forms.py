"""The questions of a registration, page by page. Answers are kept as typed; the declaration's own rules judge them."""

from __future__ import annotations

import json
from typing import Any

from django import forms

from privacy.forms import no_larger_than

Known = dict[str, Any]


def lines(text: str) -> list[str]:
    return list(dict.fromkeys(line for each in text.splitlines() if (line := each.strip())))


def text_of(value: object) -> str:
    """A value as somebody would type it; what is no plain value is left for the exact form."""
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def several(value: object) -> str:
    return "\n".join(map(text_of, value)) if isinstance(value, list) else ""


def dict_of(value: object) -> Known:
    return dict(value) if isinstance(value, dict) else {}


class SourceForm(forms.Form):
    title = forms.CharField(max_length=200, help_text="What should people find the dataset by?")
    codebook = forms.FileField(
        required=False, validators=[no_larger_than("declaration_bytes")],
        help_text="A Table Schema, a REDCap dictionary, or a codebook as CSV or XLSX. Not the data.",
    )  # fmt: skip
    header = forms.CharField(
        required=False, max_length=100_000, label="Header line", widget=forms.Textarea({"rows": 3}),
        help_text="Without a codebook: the first line of the file, with the names of its columns, and no other line.",
    )  # fmt: skip

    def clean(self) -> Known:
        found: Known = super().clean() or {}
        if bool(found.get("codebook")) == bool((found.get("header") or "").strip()) and not self.errors:
            raise forms.ValidationError("Give either a codebook or a header line.")
        return found


class StepForm(forms.Form):
    """``edition``: the draft's, as the page was opened. ``NEEDED`` is asked of a declaration, but not of a draft."""

    NEEDED: tuple[str, ...] = ()
    edition = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.NEEDED:
            self.fields[name].needed = True  # type: ignore[attr-defined]  # read by the template of a field


class UnitForm(StepForm):
    NEEDED = ("means",)
    kind = forms.ChoiceField(
        label="What is one line of the file?", widget=forms.RadioSelect,
        choices=[("row", "Everything about one of the people who are protected"),
                 ("identifier", "One of several lines that may be about the same one")],
    )  # fmt: skip
    means = forms.CharField(
        max_length=200, required=False, label="Who is protected, in words",
        help_text="For example: one patient, one household. People who decide read it.",
    )  # fmt: skip
    column = forms.CharField(
        max_length=100, required=False, label="Column that says whom a line belongs to",
        help_text="Only where several lines may be about the same one. It is never measured.",
    )  # fmt: skip
    max_rows = forms.CharField(
        max_length=9, required=False, label="Most lines of one of them that are counted",
        help_text="From what you know, not from looking at the data. Noise grows with it.",
    )  # fmt: skip
    no_identifier = forms.ChoiceField(
        required=False, label="A line without identifier", widget=forms.RadioSelect, initial="drop",
        choices=[("drop", "is left out"), ("own-unit", "counts as one of them by itself")],
    )  # fmt: skip

    @staticmethod
    def shown(declaration: Known) -> Known:
        unit = dict_of(declaration.get("privacyUnit"))
        return {
            "kind": unit.get("kind", "row"), "means": text_of(unit.get("means")), "column": text_of(unit.get("column")),
            "max_rows": text_of(unit.get("maxRows")), "no_identifier": unit.get("nullIdentifiers", "drop"),
        }  # fmt: skip

    def changes(self, declaration: Known) -> Known:
        given, unit = self.cleaned_data, dict_of(declaration.get("privacyUnit"))
        kept = {key: unit[key] for key in ("neighbours", "levels", "maxRowsPerMember") if key in unit}
        if given["kind"] == "row":
            kept = {key: value for key, value in kept.items() if key == "neighbours"}
            return {"privacyUnit": kept | {"kind": "row", "means": given["means"]}}
        most = given["max_rows"].strip()
        found = kept | {"kind": "identifier", "column": given["column"], "means": given["means"]}
        found |= {"maxRows": int(most) if most.isdecimal() else most, "nullIdentifiers": given["no_identifier"]}
        return {"privacyUnit": found, "fields": bare(declaration.get("fields"), given["column"])}


def bare(fields: object, identifier: str) -> list[Any]:
    """The fields, the identifier's stripped to what it may say: it is never measured."""
    known = fields if isinstance(fields, list) else []
    return [{"name": identifier, "type": "string"} if dict_of(one).get("name") == identifier else one for one in known]


class PeopleForm(StepForm):
    NEEDED = ("title", "population", "epsilon", "delta", "purposes")
    title = forms.CharField(max_length=200, required=False, help_text="What should people find the dataset by?")
    description = forms.CharField(max_length=2000, required=False, widget=forms.Textarea({"rows": 3}))
    population = forms.CharField(
        max_length=200, required=False,
        help_text="The people in the data, by name. Every dataset about the same people shares one cap.",
    )  # fmt: skip
    epsilon = forms.CharField(
        max_length=20, required=False, label="Cap: most privacy loss, as epsilon (ε)",
        help_text="In all and for ever, over every request. Below 1 is strict, above 10 is hardly a promise.",
    )  # fmt: skip
    delta = forms.CharField(
        max_length=20, required=False, label="at delta (δ)",
        help_text="How rarely the promise may fail: far below 1 divided by the number of people, for example 1e-9.",
    )  # fmt: skip
    purposes = forms.CharField(
        max_length=4000, required=False, widget=forms.Textarea({"rows": 3}),
        help_text="What the data may be asked for, one purpose a line.",
    )  # fmt: skip
    missing = forms.CharField(
        max_length=1000, required=False, label="Missing cells", widget=forms.Textarea({"rows": 2}),
        help_text="How they are written besides the empty cell, one spelling a line, for example NA.",
    )  # fmt: skip
    public = forms.BooleanField(
        required=False, label="Names and labels of columns are public",
        help_text="Anyone may read them then, language models included. Otherwise they travel as codes.",
    )  # fmt: skip

    @staticmethod
    def shown(declaration: Known) -> Known:
        cap = dict_of(declaration.get("cap"))
        texts = {key: text_of(declaration.get(key)) for key in ("title", "description", "population")}
        return texts | {
            "epsilon": text_of(cap.get("epsilon")), "delta": text_of(cap.get("delta")),
            "purposes": several(declaration.get("purposes")), "missing": several(declaration.get("missingValues")),
            "public": declaration.get("publicLabels") is True,
        }  # fmt: skip

    def changes(self, declaration: Known) -> Known:
        given, cap = self.cleaned_data, dict_of(declaration.get("cap"))
        asked = {key: given[key].strip() for key in ("epsilon", "delta")}
        cap = {key: value for key, value in cap.items() if key not in asked and (key != "rho" or not asked["epsilon"])}
        cap |= {key: text for key, text in asked.items() if text}
        texts = {key: given[key].strip() or None for key in ("title", "description", "population")}
        return texts | {
            "cap": cap or None, "purposes": lines(given["purposes"]) or None,
            "missingValues": lines(given["missing"]) or None, "publicLabels": True if given["public"] else None,
        }  # fmt: skip


class ColumnForm(StepForm):
    NEEDED = ("exact",)
    words = forms.CharField(
        max_length=4000, required=False, label="What is in it, in a few words", widget=forms.Textarea({"rows": 3}),
        help_text="For example: whole number 0 to 110; number 0 to 5000 with 2 decimals; one of: north, south; "
        "yes or no; date 2020-01-01 to 2024-12-31; free text. Left empty, what stands below is kept.",
    )  # fmt: skip
    exact = forms.CharField(
        max_length=200_000, required=False, label="Exactly", widget=forms.Textarea({"rows": 10, "class": "code"}),
        help_text="The column as the declaration has it, in JSON: bins, other values, bounds, public labels.",
    )  # fmt: skip

    @staticmethod
    def shown(field: Known) -> Known:
        return {"exact": json.dumps(field, indent=2, ensure_ascii=False)}

    def clean_exact(self) -> Known | None:
        if self.data.get("words", "").strip():
            return None
        try:
            found = json.loads(self.cleaned_data["exact"])
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise forms.ValidationError("It is no JSON object: look at quotes, commas and braces.")
        return found
