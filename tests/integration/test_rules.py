"""A declared rule from registration to download: shown where it is decided on, recorded, and kept by every record."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.test import Client
from django.urls import reverse

from privacy.values import IntArray
from synthesis import packaging, running
from synthesis.loop import Loop
from synthesis.models import Package, Run
from synthesis.states import Gate
from synthesis.states import RequestState as S
from tests import privacy_site, request_site
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)

RULES: list[dict[str, str]] = [
    {"rule": 'sex == "f" implies pay < 50', "reason": "as the payroll <knows>"},
    {"rule": "age < 50 implies pay >= 50"},  # half of the real rows break it
]


@pytest.fixture
def house() -> Site:
    made = request_site.make()
    made.dataset = privacy_site.dataset(made.owner, content=request_site.table(), title="Ruled", rules=RULES)
    return made


def broken(table: pd.DataFrame) -> tuple[int, int]:
    female, young = table["sex"] == "f", table["age"] < 50
    return int((female & (table["pay"] >= 50)).sum()), int((young & (table["pay"] < 50)).sum())


def test_no_record_breaks_a_rule_and_everybody_is_told(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaging, "PART_ROWS", 70)
    with open_door():
        request = house.synthesised()
    assert request.state == S.CHECKING, request.note
    assert [rule["rule"] for rule in request.snapshot["rules"]] == [rule["rule"] for rule in RULES]
    assert [rule["rule"] for rule in request.run.settings["rules"]] == [rule["rule"] for rule in RULES]
    folder = packaging.package_folder(str(request.run.package.pk))
    csv, parquet = pd.read_csv(folder / "data.csv"), pd.read_parquet(folder / "data.parquet")
    assert len(csv) == len(parquet) == request.rows
    assert broken(csv) == broken(parquet) == (0, 0)
    told = json.loads((folder / "quality.json").read_text())["rules"]
    assert [(one["rule"], one["violations"]) for one in told] == [(rule["rule"], 0) for rule in RULES]
    assert request.run.package.manifest["rules"] == [rule["rule"] for rule in RULES]
    assert "as the payroll <knows>" in (folder / "README.md").read_text()


def test_pages_show_the_rules_to_those_who_may_see_the_columns(house: Site) -> None:
    with open_door():
        request = house.synthesised()
    pages = [reverse("dataset-detail", args=[house.dataset.pk])]
    pages += [reverse("request-gate", args=[request.pk, gate]) for gate in (Gate.MEASURE, Gate.OUTPUT)]
    for page in pages:
        assert "age &lt; 50 implies pay &gt;= 50" in text_of(page, house.stella)
    assert "implies" not in text_of(pages[0], house.rosa)  # none of these columns is declared public


def text_of(page: str, user: Any) -> str:
    client = Client()
    client.force_login(user)
    answer = client.get(page)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_table_that_breaks_a_rule_is_never_packaged(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(loop: Loop, rows: int) -> list[IntArray]:
        return [np.zeros((rows, 3), np.int64)]  # the lowest codes: young, and paid least

    monkeypatch.setattr(running.Loop, "shards", wrong)
    with open_door():
        request = house.synthesised()
    assert request.state == S.PAUSED
    assert "RuleBroken" in request.note
    assert not Package.objects.exists()
    assert Run.objects.get().report == {}
    assert not list((packaging.package_folder("x").parent).glob("*/*"))
