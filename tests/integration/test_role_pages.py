"""What the pages of each role tell: tables bought, what was promised, how to check what was downloaded."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from llmsynthor_site.models import User
from privacy.models import Dataset
from synthesis import delivery, packaging
from synthesis.licence import LICENCE_VERSION
from synthesis.models import DownloadGrant
from synthesis.states import Gate
from tests import privacy_site, request_site
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)

NOT_PROMISED = "It does not hide facts about groups"


@pytest.fixture
def house() -> Site:
    return request_site.make()


def page(user: User, address: str) -> str:
    client = Client()
    client.force_login(user)
    found = client.get(address)
    assert found.status_code == 200, (address, found.status_code)
    return unescape(found.content.decode())


def test_what_the_download_page_tells_one_to_type_finds_a_changed_file(house: Site, tmp_path: Path) -> None:
    """A good folder passes the page's own commands; a byte more in the table, and they fail."""
    with open_door():
        request = house.released()
    grant = DownloadGrant.objects.get()
    delivery.accept_licence(by=house.rosa, grant=grant, version=LICENCE_VERSION)
    shell, python = re.findall(r"<pre[^>]*>(.*?)</pre>", page(house.rosa, f"/requests/{request.pk}/download/"), re.S)
    folder = tmp_path / "package"
    shutil.copytree(packaging.package_folder(str(grant.package_id)), folder)

    def works(*command: str) -> bool:
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0

    assert works("bash", "-ec", shell)
    compile(python, "snippet", "exec")
    assert packaging.sha256_of(folder / "data.parquet") in python
    with (folder / "data.csv").open("a") as table:
        table.write("f,1,2\n")
    assert not works("bash", "-ec", shell)


def test_the_run_page_lists_the_tables_bought_and_names_public_columns_alone(house: Site) -> None:
    """A steward reads names; the requester reads codes, since the owner made no name public."""
    waiting = house.submitted()
    address = f"/requests/{waiting.pk}/run/"
    assert "None yet." in page(house.rosa, address)
    request = house.measured(title="Measured")
    bought = request.manifest.body["statistics"]
    address = f"/requests/{request.pk}/run/"
    shown = {user: page(user, address).split('id="bought"')[1] for user in (house.rosa, house.stella)}
    assert f"({len(bought)})" in shown[house.rosa]
    assert ">sex<" in shown[house.stella]
    assert ">sex<" not in shown[house.rosa]
    assert ">c01<" in shown[house.rosa]


def test_a_steward_can_stop_a_run_from_its_page_and_the_requester_cannot(house: Site) -> None:
    request = house.measured()
    house.vote(request, house.stella, Gate.EGRESS)
    stop = f"/requests/{request.pk}/step/stop/"
    assert stop in page(house.stella, f"/requests/{request.pk}/run/")
    assert stop in page(house.stella, f"/requests/{request.pk}/run/progress/")
    assert stop not in page(house.rosa, f"/requests/{request.pk}/run/")


def asked_of(house: Site, dataset: Dataset) -> list[tuple[User, str]]:
    """Every page that asks somebody for a decision about privacy loss."""
    draft, submitted = house.request(), house.submitted()
    seen: dict[str, Any] = {"decision": "approve", "seen": submitted.content_hash}
    query = "&".join(f"{name}={value}" for name, value in seen.items())
    with open_door():
        checking = house.synthesised()
    gates = f"/requests/{submitted.pk}/gate/measure/"
    return [
        (house.rosa, f"/requests/{draft.pk}/step/submit/"),
        (house.stella, gates),
        (house.stella, f"{gates}decide/?{query}"),
        (house.stella, f"/requests/{checking.pk}/gate/egress/"),
        (house.stella, f"/requests/{checking.pk}/gate/output/"),
        (house.owner, f"/datasets/{dataset.pk}/cap/"),
        (house.owner, f"/datasets/{dataset.pk}/one-steward/"),
    ]


def test_every_page_that_asks_for_a_decision_says_what_is_promised_and_what_is_not(house: Site) -> None:
    for user, address in asked_of(house, house.dataset):
        told = page(user, address)
        assert "right at most about" in told, address
        assert NOT_PROMISED in told, address
        assert "Protected is" in told, address


def test_the_slider_says_how_far_off_counts_would_be(house: Site) -> None:
    """For the dataset and the columns of interest that stand in the form; a smaller epsilon says more."""
    public = privacy_site.dataset(house.owner, content=request_site.table(), title="Public", publicLabels=True)
    asked = f"/requests/price/?dataset={public.pk}&delta=1e-6"
    told = {epsilon: page(house.rosa, f"{asked}&epsilon={epsilon}&targets=pay") for epsilon in ("0.5", "4")}
    for one in told.values():
        assert "each column alone" in one
        assert "a column of interest with another" in one
        assert NOT_PROMISED in one
    first = {epsilon: int(re.findall(r"± ([\d,]+)", one)[0].replace(",", "")) for epsilon, one in told.items()}
    assert first["0.5"] > 4 * first["4"]
    hidden, unknown = (
        page(house.rosa, f"/requests/price/?dataset={house.dataset.pk}&delta=1e-6&epsilon=1&targets={name}")
        for name in ("pay", "nobody")
    )
    assert hidden == unknown  # whether a column exists whose name is not public stays unsaid
    assert "not all of them are columns with public names" in hidden


def test_an_owner_sees_who_may_download_what_was_made_and_others_own_datasets_stay_theirs(house: Site) -> None:
    """Nobody at first; then the requester's grant, and after a download how many files; another owner sees nothing."""
    address = f"/requests/of/{house.dataset.pk}/access/"
    assert "Nobody yet" in page(house.owner, address)
    with open_door():
        request = house.released()
    assert "Nothing downloaded yet" in page(house.owner, address)
    grant = DownloadGrant.objects.get()
    delivery.accept_licence(by=house.rosa, grant=grant, version=LICENCE_VERSION)
    for name in ("data.csv", "quality.json"):
        token = delivery.make_link(by=house.rosa, grant=grant, file_name=name)
        delivery.redeem(by=house.rosa, token=token)
    for user in (house.owner, house.stella, house.amir):
        assert "2 files downloaded" in page(user, address)
    assert request.title in page(house.owner, address)
    other = privacy_site.person("otto", "owner")
    for user, status in ((other, 404), (house.rosa, 403)):
        client = Client()
        client.force_login(user)
        assert client.get(address).status_code == status
