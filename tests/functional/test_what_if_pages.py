"""A what-if and written texts as they are looked at, from the form to the download, by everybody who meets them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from audit.models import PromptRecord
from llmsynthor_site import joining
from synthesis import running, services
from synthesis.models import SynthesisRequest
from synthesis.states import Gate, Proposer
from tests import privacy_site, request_site
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.protocol import models
from tests.functional.looking import arrive, look
from tests.integration.test_free_text import FIELDS, table
from tests.model_site import listed

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]
SENTENCE = "Assume twice as many in north as there are, for example because a factory opens there."


@pytest.fixture
def remarks(live_server: Any) -> request_site.Site:
    site = request_site.make()
    site.dataset = privacy_site.dataset(site.owner, content=table(), title="Remarks", fields=FIELDS)
    return site


@pytest.fixture
def server(open_door: Any) -> Iterator[OpenAIServer]:
    with OpenAIServer(models=models("m-1")) as server:
        yield server


def test_a_sentence_goes_from_the_form_to_two_tables(
    remarks: request_site.Site, server: OpenAIServer, sign_in: Any, screenshots: Path
) -> None:
    listed(server)
    wrong: list[str] = []
    rosa = sign_in("rosa", reduced_motion="reduce")
    arrive(rosa, f"/datasets/{remarks.dataset.pk}/")
    expect(rosa.get_by_text("what somebody says of where they live")).to_be_visible()
    wrong += look(rosa, "written-texts-dataset", screenshots)
    written(rosa, remarks)
    wrong += look(rosa, "what-if-refused", screenshots)
    rosa.get_by_role("radio", name="Language model (OpenAI").check()
    rosa.get_by_role("combobox", name="Endpoint").select_option(index=1)
    rosa.get_by_role("button", name="Save draft").click()
    expect(rosa.get_by_text(SENTENCE)).to_be_visible()
    wrong += look(rosa, "what-if-request", screenshots)
    request = SynthesisRequest.objects.get()
    wrong += reviewed(remarks, request, sign_in("stella", reduced_motion="reduce"), screenshots)
    amir = sign_in("amir", reduced_motion="reduce")
    told = next(row for row in PromptRecord.objects.order_by("-sequence") if row.sequence < 27)
    arrive(amir, f"/log/prompts/{told.intent_id}/")
    expect(amir.locator(".prompt .seg-freetext")).to_have_text(f'"{SENTENCE}"')
    wrong += look(amir, "what-if-prompt", screenshots)
    arrive(rosa, f"/requests/{request.pk}/download/")
    rosa.get_by_label("I have read these terms").check()
    rosa.get_by_role("button", name="Accept").click()
    expect(rosa.get_by_role("button", name="Download data-what-if.csv")).to_be_visible()
    wrong += look(rosa, "what-if-download", screenshots)
    assert not wrong, "\n".join(wrong)


def written(page: Any, remarks: request_site.Site) -> None:
    """The form filled in, with a sentence and the embedded proposer, and refused for it."""
    arrive(page, f"/requests/new/?dataset={remarks.dataset.pk}")
    page.get_by_label("Title").fill("Remarks under a what-if")
    page.get_by_label("Number of synthetic rows").fill("60")
    page.get_by_label("Purpose").fill("To teach.")
    page.get_by_label("Context").fill("Used in class.")
    page.get_by_label("Epsilon").fill("5")
    page.get_by_label("What if").fill(SENTENCE)
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_role("alert")).to_contain_text("Only a language model can read a what-if sentence")


def reviewed(remarks: request_site.Site, request: SynthesisRequest, stella: Any, screenshots: Path) -> list[str]:
    """Every gate and the run's page as a steward sees them, and its decisions."""
    wrong = []
    services.submit(by=remarks.rosa, request=request)
    for gate in (Gate.MEASURE, Gate.EGRESS, Gate.OUTPUT):
        arrive(stella, f"/requests/{request.pk}/gate/{gate}/")
        expect(stella.locator("blockquote")).to_have_text(SENTENCE)
        wrong += look(stella, f"what-if-gate-{gate}", screenshots)
        for steward in (remarks.stella, remarks.stefan)[: 1 if gate == Gate.EGRESS else 2]:
            remarks.vote(request, steward, gate)
        if gate == Gate.MEASURE:
            joining.measure(str(request.pk))
        elif gate == Gate.EGRESS:
            running.synthesise(str(request.pk))
            arrive(stella, f"/requests/{request.pk}/run/")
            expect(stella.get_by_text("1 group that the sentence moves")).to_be_visible()
            wrong += look(stella, "what-if-run", screenshots)
    assert request.proposer == Proposer.OPENAI
    return wrong
