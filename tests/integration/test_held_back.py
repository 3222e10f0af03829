"""Tables held back go through a whole request: paid for, in the report, and in no prompt, also when it is replayed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from audit import export, keys, recorded, rendering, verify
from audit.actors import actor
from audit.segments import DPValue
from privacy import manifesting, selectors
from privacy.models import MeasurementRecord
from synthesis import envelope, packaging, replaying, services
from tests import privacy_site, request_site
from tests.request_site import Site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> Site:
    return request_site.make()


def test_what_is_held_back_is_charged_told_in_the_report_and_in_no_prompt(house: Site, tmp_path: Path) -> None:
    with request_site.open_door():
        request = house.synthesised(held_back=True)
    held = {str(one.entry_id) for one in MeasurementRecord.objects.filter(held=True)}
    assert len(held) == 3
    assert not held & {one["measurement"] for one in manifesting.released_statistics(request.release_key)}
    assert not held & {one["measurement"] for one in request.manifest.body["statistics"]}
    attempts = recorded.attempts(str(request.run.pk))
    assert attempts
    assert all(f'"{entry}"' not in json.dumps(one.map, default=str) for one in attempts for entry in held)
    assert request.rho == selectors.budget(house.dataset.population_id).spent
    folder = packaging.package_folder(str(request.run.package.pk))
    told = json.loads((folder / "quality.json").read_text())["held_back"]
    assert {tuple(one["columns"]) for one in told} == {("sex", "age"), ("sex", "pay"), ("age", "pay")}
    assert all(one["residual_over_sigma"] > 0 for one in told)
    assert "Tables held back" in (folder / "report.html").read_text()
    client = Client()
    client.force_login(house.stella)
    assert "Tables held back" in client.get(f"/requests/{request.pk}/gate/output/").content.decode()
    assert "drawn by lot" in client.get(f"/requests/{request.pk}/gate/measure/").content.decode()
    again = replaying.replay(request)
    assert not again.differences
    export.export(tmp_path / "audit", by=actor(house.amir), reason="To check it.")
    assert verify.verify(tmp_path / "audit", key=str(keys.public())).findings == []


def test_a_prompt_with_a_held_value_is_refused(house: Site) -> None:
    """Planted into an honest prompt, a value of a held table is outside what gate B approved."""
    with request_site.open_door():
        request = house.synthesised(held_back=True)
    held = MeasurementRecord.objects.filter(held=True)[0]
    prompt = rendering.from_map(recorded.attempts(str(request.run.pk))[0].map)
    body = request.manifest.body
    provider = {name: body[name] for name in ("endpoint", "model", "address", "local")}
    assert envelope.outside(body, prompt, provider=provider, calls=0) == ""
    leak = DPValue(int(held.counts[0]), str(request.release_key), str(held.entry_id), (0, 0))
    last = prompt.messages[-1]
    planted = dataclasses.replace(last, segments=(*last.segments, leak))
    leaking = dataclasses.replace(prompt, messages=(*prompt.messages[:-1], planted))
    assert envelope.outside(body, leaking, provider=provider, calls=0)


def test_nothing_is_held_back_unless_it_is_asked_for_and_a_single_column_has_nothing_to_hold(house: Site) -> None:
    house.measured()
    assert not MeasurementRecord.objects.filter(held=True).exists()
    field = privacy_site.FIELDS[0]
    narrow = privacy_site.dataset(house.owner, content=b"sex\nf\nm\n", population="narrow", fields=[field])
    with pytest.raises(ValidationError, match="one column"):
        services.create_request(by=house.rosa, dataset=narrow, **{**request_site.WISH, "held_back": True})
