"""The page of a charge, opened from a number in a prompt: the number's own cell is marked, with who approved it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import PromptRecord
from audit.recorded import attempts
from audit.rendering import from_map
from audit.segments import DPValue
from privacy.models import MeasurementRecord
from privacy.views import statistics
from tests import request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> Iterator[request_site.Site]:
    with request_site.open_door():
        yield request_site.make()


def marked(page: str) -> list[str]:
    """The texts of the marked row, its count last."""
    (row,) = re.findall(r'<tr id="cell".*?</tr>', page)
    return re.findall(r"<td[^>]*>(.*?)</td>", row)


def test_every_number_of_a_prompt_opens_its_own_cell(house: request_site.Site) -> None:
    request = house.released()
    auditor = Client()
    auditor.force_login(house.amir)
    record = PromptRecord.objects.earliest("pk")
    PromptRecord.objects.filter(pk=record.pk).update(usage={"prompt_tokens": 1234, "completion_tokens": 5})
    shown = auditor.get(reverse("audit-prompt", args=[record.intent_id])).content.decode()
    links = set(re.findall(r'href="(/statistics/\d+/\?cell=[\d,]+)#cell"', shown))
    assert all(f"<dt>Tokens of {name}</dt>" in shown for name in ("prompts", "answers"))
    body = attempts(str(request.run.pk))[0].map
    assert body is not None
    values = [one for message in from_map(body).messages for one in message.segments if type(one) is DPValue]
    addresses = {f"/statistics/{one.measurement}/?cell={','.join(map(str, one.cell))}": one for one in values}
    assert links == addresses.keys() != set()
    for address, value in addresses.items():
        page = auditor.get(address).content.decode()
        assert marked(page)[-1] == f"{value.value:,}"
        assert "stella approved it to be measured" in page
        assert "stefan approved it to leave in prompts" in page or "stella approved it to leave in prompts" in page


def test_a_cell_far_down_is_shown_with_its_neighbours(
    house: request_site.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.measured()
    monkeypatch.setattr(statistics, "SHOWN_CELLS", 2)
    table = max(MeasurementRecord.objects.all(), key=lambda one: len(one.counts))
    shape = [int(size) for size in table_shape(house, table)]
    last = ",".join(str(size - 1) for size in shape)
    found = statistics.shown(house.dataset, table, last)
    assert [(count, here) for _, count, here in found["rows"]] == [(table.counts[-2], False), (table.counts[-1], True)]
    assert (found["first"], found["last"]) == (len(table.counts) - 1, len(table.counts))
    assert [here for *_, here in statistics.shown(house.dataset, table)["rows"]] == [False, False]


def table_shape(house: request_site.Site, table: MeasurementRecord) -> list[int]:
    whole = statistics.shown(house.dataset, table)
    assert len(table.clique) == len(whole["columns"])
    with pytest.MonkeyPatch.context() as more:
        more.setattr(statistics, "SHOWN_CELLS", len(table.counts))
        rows = statistics.shown(house.dataset, table)["rows"]
    return [len(dict.fromkeys(labels[axis] for labels, *_ in rows)) for axis in range(len(whole["columns"]))]


@pytest.mark.parametrize("cell", ["x", "-1", "0,0,0,0,0,0,0", "99999", "1e3", ",", "9" * 400])
def test_a_cell_that_is_none_is_not_found(house: request_site.Site, cell: str) -> None:
    house.measured()
    table = MeasurementRecord.objects.earliest("pk")
    auditor = Client()
    auditor.force_login(house.amir)
    address = reverse("statistic-detail", args=[table.entry_id])
    assert auditor.get(address).status_code == 200
    assert auditor.get(address, {"cell": cell}).status_code == 404


def test_places_count_the_last_axis_fastest() -> None:
    assert [statistics.place_of(cell, [2, 3]) for cell in ("0,0", "0,2", "1,0", "1,2")] == [0, 2, 3, 5]
