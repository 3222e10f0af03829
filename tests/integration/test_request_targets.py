"""Columns of interest: public names alone, frozen with the request, and their tables measured for certain."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from privacy import selectors
from privacy.models import ReleaseRecord
from synthesis import services
from synthesis.forms import RequestForm, initial_of
from tests import privacy_site, request_site
from tests.request_site import WISH, Site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)

FIELDS = [{**field, "publicLabels": field["name"] != "age"} for field in privacy_site.FIELDS]


@pytest.fixture
def house() -> Site:
    found = request_site.make()
    found.dataset = privacy_site.dataset(found.owner, content=request_site.table(2010), title="Open", fields=FIELDS)
    return found


def test_every_column_is_measured_with_the_target(house: Site) -> None:
    request = house.measured(targets=["pay"])
    assert request.snapshot["targets"] == ["pay"]
    release = ReleaseRecord.objects.get(pk=request.release_key)
    assert release.plan["purpose"] == {"targets": ["pay"], "weights": {}}
    tables = [table.clique.columns for table in selectors.released(release.pk).marginals]
    assert tables[:5] == [("sex",), ("age",), ("pay",), ("sex", "pay"), ("age", "pay")]


def test_without_targets_the_plan_is_the_adaptive_one(house: Site) -> None:
    release = ReleaseRecord.objects.get(pk=house.measured().release_key)
    assert release.plan["purpose"] is None
    assert release.plan["fixed"] == []


@pytest.mark.parametrize("targets", [["wage"], ["age"], ["pay", "pay"]], ids=["unknown", "not public", "twice"])
def test_only_public_columns_can_be_targets(house: Site, targets: list[str]) -> None:
    with pytest.raises(ValidationError, match="public names"):
        house.request(targets=targets)
    request = house.request()
    with pytest.raises(ValidationError, match="public names"):
        services.edit_request(by=house.rosa, request=request, **{**WISH, "targets": targets})


def test_the_form_takes_one_column_a_line_and_shows_them_again(house: Site) -> None:
    wish: dict[str, Any] = {**WISH, "dataset": house.dataset.pk, "targets": " pay \n\nsex\npay", "endpoint": ""}
    form = RequestForm(wish, user=house.rosa)
    assert form.is_valid(), form.errors
    request = services.create_request(by=house.rosa, **form.cleaned_data)
    assert request.targets == ["pay", "sex"]
    assert initial_of(request)["targets"] == "pay\nsex"
    again = services.edit_request(by=house.rosa, request=request, **WISH)
    assert again.targets == []
