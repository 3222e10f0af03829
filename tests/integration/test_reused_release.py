"""A table from statistics that were released before: gate A, then gate B, and nothing measured or charged."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client

from audit import events, keys, verify
from audit.models import LogEntry
from llmsynthor_site import joining
from privacy import selectors, waivers
from privacy import services as datasets
from privacy.models import LedgerEntry, ReleaseRecord
from privacy.waiver_text import digest
from synthesis import packaging, reusing, reviewing, services
from synthesis.models import SynthesisRequest
from synthesis.states import Gate, RequestState
from tests import privacy_site, request_site
from tests.request_site import WISH, Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> Iterator[Site]:
    with open_door():
        yield request_site.make()


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def again(paid: SynthesisRequest, **changes: Any) -> dict[str, Any]:
    """A second wish for what was paid for. Whatever epsilon is asked for, the one that was paid is told."""
    return {"reused_id": paid.release_id, "title": "Once more", "rows": 200, "epsilon": None, "delta": None, **changes}


def test_it_reaches_a_package_without_any_charge(house: Site, tmp_path: Path) -> None:
    paid = house.released()
    lines, budget = LedgerEntry.objects.count(), selectors.budget(house.dataset.population_id)
    made = house.released(**again(paid))
    assert made.state == RequestState.RELEASED
    assert made.release_id == paid.release_id
    assert (made.epsilon, made.delta, made.rho) == (paid.epsilon, paid.delta, paid.rho)
    assert (LedgerEntry.objects.count(), selectors.budget(house.dataset.population_id)) == (lines, budget)
    assert ReleaseRecord.objects.count() == 1
    assert made.run.package.manifest["privacy"]["rho"] == paid.run.package.manifest["privacy"]["rho"]
    facts = [json.loads(bytes(one.leaf)) for one in LogEntry.objects.filter(action="privacy:release:reused")]
    assert [one["facts"]["request"] for one in facts] == [str(made.pk)]


def test_the_log_holds_and_the_run_replays(house: Site, tmp_path: Path, capsys: Any) -> None:
    made = house.released(**again(house.released()))
    events.flush()
    call_command("export_audit", "--out", str(tmp_path / "log"), "--reason", "a check")
    assert verify.verify(tmp_path / "log", key=str(keys.public())).findings == []
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        call_command("replay_prompts", str(made.pk), "--json")
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "equal"


def test_stewards_approve_the_very_release(house: Site) -> None:
    paid = house.released()
    request = house.submitted(**again(paid))
    assert request.snapshot["reused"] == {
        "release": str(paid.release_id), "paid_by": str(paid.pk), "one_steward": None,
    }  # fmt: skip
    assert request.snapshot["plan"] == paid.release.plan
    page = signed_in(house.stella).get(f"/requests/{request.pk}/gate/measure/").content.decode()
    assert "Nothing is counted." in page
    assert paid.title in page
    assert "Exactly what would be counted" not in page


def test_a_newer_version_ends_what_could_be_used_again(house: Site) -> None:
    paid = house.released()
    request = house.submitted(**again(paid))
    stream = io.BytesIO(request_site.table(2020))
    datasets.receive_upload(by=house.owner, dataset=house.dataset, stream=stream, filename="u.csv")
    for steward in (house.stella, house.stefan):
        house.vote(request, steward, Gate.MEASURE)
    joining.measure(str(request.pk))
    failed = SynthesisRequest.objects.get(pk=request.pk)
    assert failed.state == RequestState.FAILED
    assert "newest version" in failed.note
    with pytest.raises(ValidationError, match="newest version"):
        house.request(**again(paid))


def test_what_was_recalled_is_not_used_again(house: Site) -> None:
    """Neither offered, nor taken by a request that was on its way."""
    paid = house.released()
    request = house.submitted(**again(paid))
    reviewing.recall(by=house.stella, request=SynthesisRequest.objects.get(pk=paid.pk), reason="A bound was wrong.")
    assert not reusing.on_offer(house.dataset).exists()
    for steward in (house.stella, house.stefan):
        house.vote(request, steward, Gate.MEASURE)
    joining.measure(str(request.pk))
    failed = SynthesisRequest.objects.get(pk=request.pk)
    assert (failed.state, "not recalled" in failed.note) == (RequestState.FAILED, True)


def test_one_steward_behind_the_measuring_is_told_by_what_is_made_later(house: Site) -> None:
    waiver = waivers.sign(by=house.owner, dataset=house.dataset, seen=digest(), reason="A small house.")
    paid = house.submitted()
    house.vote(paid, house.stella)
    joining.measure(str(paid.pk))
    waivers.end(by=house.owner, waiver=waiver, reason="We are two now.")
    made = house.released(**again(SynthesisRequest.objects.get(pk=paid.pk)))
    folder = packaging.package_folder(str(made.run.package.pk))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["one_steward"], manifest["measured_under"]["waiver"]) == (None, str(waiver.pk))
    for name in ("guarantee.txt", "README.md", "datacard.md", "report.html", "dpia.md", "deployment.yaml"):
        told = " ".join((folder / name).read_text().lower().split())
        assert re.search(r"waive.{0,120}one data steward|one (data )?steward.{0,160}waive", told), name


def test_only_what_was_paid_for_the_same_dataset_is_taken(house: Site) -> None:
    paid = house.released()
    other = privacy_site.dataset(house.owner, title="Other", population="Other people")
    for wrong in (other, house.dataset):
        release = paid.release_id if wrong is other else other.pk
        with pytest.raises(ValidationError, match="same dataset"):
            services.create_request(by=house.rosa, dataset=wrong, **{**WISH, **again(paid, reused_id=release)})


def test_a_model_is_not_asked_about_columns_that_are_not_measured(house: Site) -> None:
    with pytest.raises(ValidationError, match="Nothing is measured"):
        services.check_wish(
            dataset=house.dataset,
            **{**WISH, **services.DEFAULTS, **again(house.released()), "proposer": "openai", "endpoint": "e",
               "structuring": True},
        )  # fmt: skip


def test_the_dataset_page_offers_it_and_tells_nothing_of_the_other_project(house: Site) -> None:
    paid = house.released(title="A hidden project", purpose="A purpose nobody else may read.")
    ruth = privacy_site.person("ruth", "researcher")
    offered = signed_in(ruth).get(f"/requests/of/{house.dataset.pk}/").content.decode()
    assert f"release={paid.release_id}" in offered
    assert "hidden project" not in offered
    assert house.rosa.username not in offered
    form = signed_in(ruth).get(f"/requests/new/?dataset={house.dataset.pk}&release={paid.release_id}").content.decode()
    assert "No further privacy loss" in form
    assert "hidden project" not in form
    for other in (house.stella, house.owner, house.amir):
        assert "release=" not in signed_in(other).get(f"/requests/of/{house.dataset.pk}/").content.decode()


def test_the_form_makes_and_keeps_it(house: Site) -> None:
    paid = house.released()
    rosa, where = signed_in(house.rosa), f"/requests/new/?dataset={house.dataset.pk}&release={paid.release_id}"
    typed = {"title": "Mine", "purpose": "P", "context": "C", "rows": "50", "proposer": "embedded", "takeover": "on",
             "reused_id": str(paid.release_id)}  # fmt: skip
    assert rosa.post(where, typed).status_code == 302
    made = SynthesisRequest.objects.get(title="Mine")
    assert (made.reused_id, made.rho) == (paid.release_id, paid.rho)
    assert rosa.post(f"/requests/{made.pk}/edit/", typed | {"title": "Mine still"}).status_code == 302
    made.refresh_from_db()
    assert (made.title, made.reused_id) == ("Mine still", paid.release_id)
    refused = rosa.post(where, typed | {"reused_id": str(house.dataset.pk)})
    assert "can be used again" in refused.content.decode()
    assert list(reusing.on_offer(house.dataset)) == [paid]
