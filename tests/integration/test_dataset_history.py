"""What happened to a dataset: everything its log holds, in words, for those who see everything of it."""

from __future__ import annotations

import io

import pytest
from django.test import Client
from django.urls import reverse

from audit import entries
from llmsynthor_site.models import User
from llmsynthor_site.people import memberships
from privacy import audiences, retention, services, waivers
from privacy.problems import UploadRefused
from privacy.views.histories import IN_WORDS
from privacy.waiver_text import digest
from tests import privacy_site, request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> request_site.Site:
    """A table whose owner did everything an owner can do to one."""
    site = request_site.make()
    with pytest.raises(UploadRefused):
        services.receive_upload(by=site.owner, dataset=site.dataset, stream=io.BytesIO(b"sex\nx\n"), filename="t.csv")
    town = memberships.add_organisation(by=site.ada, name="The town <b>hall</b>")
    audiences.limit(by=site.owner, dataset=site.dataset, organisations=[town])
    audiences.limit(by=site.owner, dataset=site.dataset, organisations=[])
    waiver = waivers.sign(by=site.owner, dataset=site.dataset, seen=digest(), reason="A small house.")
    waivers.end(by=site.owner, waiver=waiver, reason="We are two now.")
    retention.destroy_version(by=site.owner, version=site.dataset.versions.get(), reason="The study has ended.")
    return site


def page(site: request_site.Site, user: User) -> tuple[int, str]:
    client = Client()
    client.force_login(user)
    answer = client.get(reverse("dataset-history", args=[site.dataset.pk]))
    return answer.status_code, answer.content.decode()


def test_every_entry_is_told_in_words_newest_first(house: request_site.Site) -> None:
    status, text = page(house, house.owner)
    told = [IN_WORDS[leaf.action] for leaf in reversed(entries.about(f"dataset:{house.dataset.pk}"))]
    assert status == 200
    assert len(told) == 8
    places = [0]
    for words in told:
        places.append(text.index(words, places[-1] + 1))
    assert "version 1; The study has ended." in text
    assert "researchers of The town &lt;b&gt;hall&lt;/b&gt;" in text
    assert "every researcher" in text
    assert "A small house." in text


def test_only_the_auditor_is_led_into_the_log(house: request_site.Site) -> None:
    last = entries.about(f"dataset:{house.dataset.pk}")[-1].index
    assert reverse("audit-entry", args=[last]) in page(house, house.amir)[1]
    assert reverse("audit-entry", args=[last]) not in page(house, house.owner)[1]


def test_nobody_else_reads_it(house: request_site.Site) -> None:
    """A researcher may see the dataset but not its story; another owner sees neither."""
    assert page(house, house.rosa)[0] == 403
    assert page(house, privacy_site.person("otto", "owner"))[0] == 404
    assert page(house, house.stella)[0] == 200
