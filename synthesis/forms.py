"""What people type about requests. Forms check shapes; the services decide what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from privacy import selectors as privacy
from privacy.choosing import BoundedChoiceField
from synthesis import probe_words, what_if
from synthesis.models import Endpoint, Probe, SynthesisRequest
from synthesis.states import Decision, Disclosure, Proposer, RequestState, Use, UseBy
from synthesis.wishes import EDITABLE

LINES = forms.Textarea({"rows": 4})


def offer(form: forms.Form, **choices: QuerySet[Any]) -> None:
    """Set what a person may choose from: it depends on who they are."""
    for name, found in choices.items():
        cast("forms.ModelChoiceField[Any]", form.fields[name]).queryset = found


class PriceForm(forms.Form):
    """How much privacy loss is asked for."""

    epsilon = forms.DecimalField(
        label="Epsilon (ε)", initial=Decimal("1"), decimal_places=4, max_digits=8, widget=forms.TextInput,
        help_text="Smaller means better privacy, larger means better accuracy. 1 is a common choice.",
    )  # fmt: skip
    delta = forms.DecimalField(
        label="at delta (δ)", initial="1e-9", widget=forms.TextInput,
        help_text="How rarely the promise may fail: far below 1 divided by the number of people.",
    )  # fmt: skip


class EndpointField(forms.ModelChoiceField):
    """Endpoints with what is known of each; a page sets ``say``, which puts each part into the reader's language."""

    say: Callable[[str], str] = staticmethod(str)

    def label_from_instance(self, endpoint: Endpoint) -> str:
        probe = self.probes().get(getattr(endpoint, "newest", None))
        known = probe_words.in_short(probe.found) if probe else "not probed yet"
        return f"{endpoint}: {', '.join(self.say(part) for part in known.split(', '))}"

    def probes(self) -> dict[Any, Probe]:
        """The newest probe of each endpoint on offer, looked up once for all of them."""
        if not hasattr(self, "_probes"):
            keys = [one.newest for one in self.queryset or () if getattr(one, "newest", None)]
            self._probes: dict[Any, Probe] = Probe.objects.in_bulk(keys)
        return self._probes


class RequestForm(PriceForm):
    """A wish for a synthetic table. Purpose and context are mandatory: reviewers cannot decide without them."""

    field_order = (
        "dataset", "title", "purpose", "context", "targets", "rows", "epsilon", "delta", "proposer", "endpoint",
        "takeover", "what_if", "structuring", "about", "disclosure", "held_back",
    )  # fmt: skip
    dataset = BoundedChoiceField(
        queryset=None, empty_label="Choose a dataset",
        elsewhere="To ask for another, find it among the datasets and start from its page.",
    )  # fmt: skip
    title = forms.CharField(max_length=200, help_text="A few words that reviewers will recognise it by.")
    purpose = forms.CharField(
        max_length=4000,
        widget=LINES,
        help_text="What question do you want to answer with the synthetic table?",
    )
    context = forms.CharField(
        max_length=4000,
        widget=LINES,
        help_text="Who will use it, where it will be kept, and what will be published.",
    )
    targets = forms.CharField(
        max_length=4000, required=False, widget=forms.Textarea({"rows": 2}), label="Columns of interest",
        help_text="Optional, one column a line: the tables of each with every other column are measured for certain. "
        "Without any, what is measured is chosen as measuring goes on.",
    )  # fmt: skip
    rows = forms.IntegerField(
        min_value=1, label="Number of synthetic rows", help_text="Not the size of the real table, which stays secret."
    )
    proposer = forms.ChoiceField(
        choices=Proposer.choices, initial=Proposer.EMBEDDED, widget=forms.RadioSelect,
        help_text="Who suggests changes to the synthetic table; only noised statistics are shown to it. A public "
        "reference table is where the table starts from, as far as the noised statistics agree with it.",
    )  # fmt: skip
    endpoint = EndpointField(
        queryset=Endpoint.objects.none(), required=False, empty_label="None",
        help_text="Where the language model answers, and what a probe found out about it.",
    )  # fmt: skip
    takeover = forms.BooleanField(
        label="The embedded proposer takes over", required=False, initial=True,
        help_text="It answers in the model's place wherever the model gives no usable answer. Without it, the table "
        "is made from the statistics alone there.",
    )  # fmt: skip

    what_if = forms.CharField(
        max_length=what_if.MOST, required=False, label="What if",
        help_text="One sentence, for example: assume twice as many people over 65. The language model reads "
        "it word for word, and so do the reviewers. You then get two tables: one as the statistics say, and one under "
        "this assumption. The model knows a column only where its owner made the name public.",
    )  # fmt: skip
    structuring = forms.BooleanField(
        label="Ask the language model about the columns first", required=False,
        help_text="Before anything is measured it is told the declaration alone, and says which columns belong "
        "together. That weighs a little in what is measured first. It may suggest rules; a steward decides on each.",
    )  # fmt: skip
    about = forms.CharField(
        max_length=1000, required=False, widget=forms.Textarea({"rows": 2}), label="What it is told in words",
        help_text="Optional: what the table is about. It leaves as it stands here, after stewards approved it.",
    )  # fmt: skip

    disclosure = forms.ChoiceField(
        choices=Disclosure.choices, initial=Disclosure.NONE, widget=forms.RadioSelect, label="Disclosure check",
        required=False,
        help_text="How many distinct synthetic records also occur in the data, and how many rows of the data have a "
        "synthetic neighbour. Charged takes a twentieth of the privacy loss above. For stewards' eyes only costs "
        "nothing, but then the package claims no differential privacy from end to end, and the owner must allow it.",
    )  # fmt: skip
    use = forms.ChoiceField(
        choices=[("", "Not stated"), *Use.choices], required=False, label="Kind of use",
        help_text="Reviewers see how it fits the uses that the owner permits.",
    )  # fmt: skip
    use_by = forms.ChoiceField(choices=[("", "Not stated"), *UseBy.choices], required=False, label="Whose use it is")
    held_back = forms.BooleanField(
        label="Hold three tables back", required=False,
        help_text="Tables of two columns, drawn by lot, are measured and never shown to whoever makes the synthetic "
        "table. How well it meets them flatters less than how well it meets what it was made from. They take a "
        "twentieth of the privacy loss above, so the table itself becomes a little less accurate.",
    )  # fmt: skip
    reused_id = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: Any, dataset: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self["reused_id"].value():
            self.measured_already()
        offer(
            self,
            dataset=privacy.datasets_for(user).defer("declaration"),
            endpoint=Endpoint.with_newest_probe().filter(enabled=True),
        )
        if dataset is not None:
            self.fields["dataset"].disabled = True
            self.initial["dataset"] = dataset

    def measured_already(self) -> None:
        """Statistics are used again: what was paid for them stands, and columns of interest change nothing in them."""
        for name in PriceForm.base_fields:
            self.fields[name].required = False
        self.fields["targets"].help_text = "One column a line: the report tells how well the statistics know each."

    def clean_targets(self) -> list[str]:
        return lines_of(self.cleaned_data["targets"])

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("proposer") != Proposer.OPENAI:
            found["endpoint"] = None
        found["disclosure"] = found.get("disclosure") or Disclosure.NONE
        return found


def lines_of(text: str) -> list[str]:
    """Each line of a text once, without the empty ones."""
    return list(dict.fromkeys(line for each in text.splitlines() if (line := each.strip())))


def initial_of(request: SynthesisRequest) -> dict[str, Any]:
    """What a draft holds, as the form shows it."""
    found = {name: getattr(request, name) for name in EDITABLE}
    found["targets"] = "\n".join(request.targets)
    return found | {"epsilon": f"{request.epsilon.normalize():f}", "delta": f"{request.delta.normalize():g}"}


class RequestFilter(forms.Form):
    """Filters of the list of requests; they live in the address, so that a view can be sent to a colleague."""

    state = forms.ChoiceField(required=False, choices=[("", "Any"), *RequestState.choices])
    dataset = BoundedChoiceField(
        queryset=None, required=False, empty_label="Any",
        elsewhere="The requests for another are linked on its page.",
    )  # fmt: skip

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer(self, dataset=privacy.datasets_for(user).select_related(None).only("title"))

    def chosen(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if value} if self.is_valid() else {}


class ReturnForm(forms.Form):
    comment = forms.CharField(
        max_length=4000, widget=LINES, label="What should change",
        help_text="The requester reads this and may submit again.",
    )  # fmt: skip


class RevokeForm(forms.Form):
    reason = forms.CharField(max_length=4000, widget=LINES, help_text="Everyone who reads the request reads this.")


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=500, widget=LINES, help_text="Kept in the log, word for word.")


class SwitchForm(ReasonForm):
    """What to stop; the choices are what this person may stop."""

    field_order = ("target", "reason")
    target = forms.ChoiceField(label="What to stop")

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ChoiceField", self.fields["target"]).choices = choices


class ErasureForm(forms.Form):
    """Which part of a prompt to destroy, and why; ``parts`` are those still there, with the ids of their bodies."""

    LABELS = {"prompt": "The prompt: its text and the segments it was made of", "answer": "The answer that came back"}

    part = forms.ChoiceField(label="What to erase", widget=forms.RadioSelect)
    reason = forms.CharField(
        max_length=500, widget=LINES, label="Why",
        help_text="It stays in the log for ever and every auditor reads it: name no person.",
    )  # fmt: skip

    def __init__(self, *args: Any, parts: dict[str, list[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parts = parts
        cast("forms.ChoiceField", self.fields["part"]).choices = [(part, self.LABELS[part]) for part in parts]


class VoteForm(forms.Form):
    """One decision, bound to the hash of what the steward was shown."""

    decision = forms.ChoiceField(choices=Decision.choices, widget=forms.HiddenInput)
    seen = forms.RegexField(r"^[0-9a-f]{64}$", widget=forms.HiddenInput)
    comment = forms.CharField(max_length=4000, required=False, widget=LINES)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rejecting = self["decision"].value() == Decision.REJECT
        self.fields["comment"].required = rejecting
        self.fields["comment"].label = "Why it is rejected" if rejecting else "Comment"
        self.fields["comment"].help_text = "Kept with your decision, and shown once the gate has decided."


class RuleForm(forms.Form):
    """Why a suggested rule is accepted or rejected."""

    comment = forms.CharField(
        max_length=4000, widget=LINES, label="Why",
        help_text="How you know that it holds for every record, or why it need not.",
    )  # fmt: skip


class LicenceForm(forms.Form):
    version = forms.CharField(max_length=20, widget=forms.HiddenInput)
    accept = forms.BooleanField(
        label="I have read these terms and accept them.", error_messages={"required": "Accept the terms to go on."}
    )


def add_refusal(form: forms.Form, refusal: ValidationError) -> None:
    """Show a service's refusal beside the field it names, or at the top of the form."""
    if not hasattr(refusal, "error_dict"):
        form.add_error(None, refusal)
        return
    for name, errors in refusal.error_dict.items():
        form.add_error(name if name in form.fields else None, errors)
