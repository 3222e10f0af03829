"""What administrators type about people. Forms check shapes; the services decide what is allowed."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError

from llmsynthor_site.models import Membership, Organisation, User
from llmsynthor_site.roles import BY_NAME

LINES = forms.Textarea({"rows": 3})


class WhyForm(forms.Form):
    reason = forms.CharField(max_length=500, widget=LINES, label="Why", help_text="Kept in the log, word for word.")


class RoleForm(WhyForm):
    """A role this person may be given beside those they hold."""

    field_order = ("role", "reason")
    role = forms.ChoiceField(widget=forms.RadioSelect)

    def __init__(self, *args: Any, grantable: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = [(name, BY_NAME[name].display_name) for name in grantable]
        cast("forms.ChoiceField", self.fields["role"]).choices = found


class JoinForm(WhyForm):
    """An organisation this person is not in yet."""

    field_order = ("organisation", "reason")
    organisation = forms.ModelChoiceField(queryset=Organisation.objects.none(), empty_label="Choose an organisation")

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        inside = Membership.objects.filter(user=person, ended_at=None).values("organisation")
        others = Organisation.objects.exclude(pk__in=inside)
        cast("forms.ModelChoiceField[Organisation]", self.fields["organisation"]).queryset = others


class OrganisationForm(forms.Form):
    name = forms.CharField(max_length=200, help_text="As people of it call it. It is not changed later.")


class PersonForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].required = True
        self.fields["email"].help_text = "Messages about what waits for this person go here."


class PeopleFilter(forms.Form):
    name = forms.CharField(required=False, max_length=150, label="User name or surname begins with")


def add_refusal(form: forms.BaseForm, refusal: ValidationError) -> None:
    """Show a service's refusal beside the field it names, or at the top of the form."""
    if not hasattr(refusal, "error_dict"):
        form.add_error(None, refusal)
        return
    for name, errors in refusal.error_dict.items():
        form.add_error(name if name in form.fields else None, errors)
