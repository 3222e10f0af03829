"""A select offers a hundred rows however many there are, and takes any of them."""

from __future__ import annotations

import pytest
from django import forms
from django.contrib.auth.models import Group

from privacy.choosing import OFFERED, BoundedChoiceField


class Choosing(forms.Form):
    group = BoundedChoiceField(queryset=Group.objects.order_by("name"), required=False, elsewhere="Look elsewhere.")


@pytest.fixture
def many(db: None) -> list[Group]:
    return Group.objects.bulk_create(Group(name=f"group {number:04}") for number in range(OFFERED + 30))


def test_a_page_offers_a_hundred_and_says_where_the_others_are(many: list[Group]) -> None:
    page = str(Choosing()["group"])
    assert page.count("<option") == OFFERED + 1  # and "none of them"
    assert Choosing()["group"].help_text == f"The first {OFFERED} are listed. Look elsewhere."


def test_a_short_list_is_whole_and_says_nothing(many: list[Group]) -> None:
    Group.objects.filter(pk__gt=many[OFFERED - 1].pk).delete()
    assert str(Choosing()["group"]).count("<option") == OFFERED + 1
    assert not Choosing()["group"].help_text


def test_a_row_beyond_the_first_is_taken_and_shown_as_chosen(many: list[Group]) -> None:
    form = Choosing({"group": str(many[-1].pk)})
    assert form.is_valid()
    assert form.cleaned_data["group"] == many[-1]
    assert f'<option value="{many[-1].pk}" selected>group {OFFERED + 29:04}</option>' in str(form["group"])


@pytest.mark.parametrize("typed", ["none", "0", "-1", "\x00", "9" * 40])
def test_what_is_no_row_is_refused_and_the_page_still_shows(many: list[Group], typed: str) -> None:
    form = Choosing({"group": typed})
    assert not form.is_valid()
    assert str(form["group"]).count("<option") == OFFERED + 1
