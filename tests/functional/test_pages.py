"""Every page as it is looked at: light and dark, wide and narrow, by keyboard and by axe."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from audit import erasure
from audit.models import PromptRecord
from llmsynthor_site import joining
from llmsynthor_site import services as people
from llmsynthor_site.models import User
from llmsynthor_site.people import changes
from privacy import services as datasets
from privacy.models import MeasurementRecord
from synthesis import probing, running, services, structuring, suggestions, switches
from synthesis.models import CallFinding, Endpoint, Probe
from synthesis.states import Gate, Proposer
from tests import privacy_site, request_site
from tests.fakes import structures
from tests.fakes.behaviours import first_cells
from tests.fakes.endpoints import KINDS
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.protocol import models
from tests.functional.looking import arrive, look, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]


@pytest.fixture
def small(live_server: Any) -> request_site.Site:
    return request_site.make()


def always_there(ds: str) -> Iterator[tuple[str, str, str]]:
    """Pages that need no request."""
    yield "rosa", "home-researcher", "/"
    yield "rosa", "catalogue", "/datasets/"
    yield "rosa", "dataset-researcher", ds
    yield "rosa", "requests", "/requests/"
    yield "rosa", "help", "/help/"
    yield "rosa", "settings", "/settings/"
    yield "olivia", "home-owner", "/"
    yield "olivia", "dataset-register", "/datasets/new/"
    yield "olivia", "dataset-owner", ds
    yield "stella", "home-steward", "/"
    yield "stella", "not-found", "/requests/none/"
    yield "amir", "home-auditor", "/"
    yield "amir", "audit-log", "/log/"
    yield "amir", "audit-filtered", "/log/?by=nobody"
    yield "amir", "evidence-period", "/log/evidence/"
    yield "amir", "evidence-dataset", f"{ds}evidence/"
    yield "ada", "home-admin", "/"
    yield "ada", "forbidden", "/log/"


def every_page(site: request_site.Site) -> Iterator[tuple[str, str, str]]:
    """(who, name of the page, its address), with requests in every state that looks different."""
    released = site.released(title="Pay for a class in statistics")
    measured = site.measured(title="Pay and age for a seminar", epsilon=Decimal(1))
    submitted = site.submitted(title="A first look at pay", epsilon=Decimal(1))
    draft = site.request(title="Pay, not yet submitted", epsilon=Decimal(1))
    bare = datasets.register_dataset(by=site.owner, declaration=privacy_site.declaration(title="Not yet uploaded"))
    prompt = PromptRecord.objects.first()
    charge = MeasurementRecord.objects.last()
    assert prompt is not None
    assert charge is not None
    of, ds = (lambda one: f"/requests/{one.pk}/"), f"/datasets/{site.dataset.pk}/"
    yield from always_there(ds)
    yield "rosa", "request-new", f"/requests/new/?dataset={site.dataset.pk}"
    yield "rosa", "request-edit", f"{of(draft)}edit/"
    yield "rosa", "request-draft", of(draft)
    yield "rosa", "request-submit", f"{of(draft)}step/submit/"
    yield "rosa", "download", f"{of(released)}download/"
    yield "olivia", "dataset-empty", f"/datasets/{bare.pk}/"
    yield "olivia", "dataset-upload", f"{ds}upload/"
    yield "stella", "request-submitted", of(submitted)
    yield "stella", "gate-measure", f"{of(submitted)}gate/measure/"
    yield "stella", "gate-return", f"{of(submitted)}step/return/"
    yield "stella", "gate-reject", f"{of(submitted)}gate/measure/decide/?decision=reject&seen={submitted.content_hash}"
    yield "stella", "gate-egress", f"{of(measured)}gate/egress/"
    yield "stella", "gate-output", f"{of(released)}gate/output/"
    yield "stella", "run", f"{of(released)}run/"
    yield "stella", "prompts", f"{of(released)}prompts/"
    yield from erase_pages(site, f"{of(released)}prompts/{prompt.intent_id}/erase/", prompt)
    yield "stella", "statistic", f"/statistics/{charge.entry_id}/"
    first = ",".join("0" for _ in charge.clique)
    yield "stella", "statistic-cell", f"/statistics/{charge.entry_id}/?cell={first}#cell"
    yield "amir", "prompt", f"/log/prompts/{prompt.intent_id}/"
    yield "amir", "request-auditor", of(released)
    yield "amir", "evidence-request", f"{of(released)}evidence/"
    yield from endpoint_pages(site)
    yield from door_pages(ds)
    yield from people_pages()
    yield from structure_pages(site)


def erase_pages(site: request_site.Site, address: str, prompt: PromptRecord) -> Iterator[tuple[str, str, str]]:
    """An erasure to be proposed; one that waits, as its proposer and another steward see it; and its withdrawal."""
    yield "stella", "erase", address
    waiting = erasure.propose(by=site.stella, body=prompt.answer_id, reason="The data owner asked for it.")
    yield "stella", "erase-own", address
    yield "stefan", "erase-confirm", address
    yield "stella", "erase-withdraw", f"{address}{waiting.pk}/withdraw/"
    erasure.withdraw(by=site.stella, proposal=waiting)


def structure_pages(site: request_site.Site) -> Iterator[tuple[str, str, str]]:
    """A model that is asked about the columns first: gate A, the run meanwhile, the answer, and the rules in it."""
    own, told = site.dataset, [structures.rule('c01 == "f" implies c03 < 50', "As the payroll knows.")]
    told += [structures.rule("not (c02 is null)"), structures.rule("c02 >= 50 implies c03 >= 50", "With years.")]
    site.dataset = privacy_site.dataset(site.owner, content=request_site.table(), title="Told", publicLabels=True)
    obliging = structures.answering(lambda columns: structures.saying([structures.dependency("c01", "c03")], told))
    with OpenAIServer(obliging(first_cells)) as server:
        endpoint = add_endpoint("a model that is asked", server.base_url)
        wish = {"proposer": Proposer.OPENAI, "endpoint": endpoint, "structuring": True, "epsilon": Decimal("0.5")}
        waiting = site.submitted(title="Which columns belong together", about="What people earn.", **wish)
        request = site.submitted(title="Asked about the columns", **wish)
        for steward in (site.stella, site.stefan):
            site.vote(request, steward)
        yield "stella", "gate-measure-question", f"/requests/{waiting.pk}/gate/measure/"
        yield "rosa", "request-structuring", f"/requests/{request.pk}/"
        yield "stella", "run-structuring", f"/requests/{request.pk}/run/"
        structuring.carry_out(str(request.pk))
    joining.measure(str(request.pk))
    asked = PromptRecord.objects.get(run=str(request.run.pk), sequence=0)
    yield "stella", "run-structured", f"/requests/{request.pk}/run/"
    yield "stella", "prompts-structured", f"/requests/{request.pk}/prompts/"
    yield "amir", "prompt-structure", f"/log/prompts/{asked.intent_id}/"
    rules = f"/requests/{request.pk}/rules/"
    yield "stella", "home-steward-rules", "/"
    yield "stella", "rule-accept", f"{rules}1/accept/"
    yield "stella", "rule-reject", f"{rules}2/reject/"
    known = {"by": site.stefan, "request": request}
    suggestions.decide(**known, number=1, decision=suggestions.Decision.ACCEPT, comment="The payroll office says so.")
    suggestions.decide(**known, number=2, decision=suggestions.Decision.REJECT, comment="Ages may be missing.")
    yield "stella", "rules", rules
    yield "amir", "rules-auditor", rules
    yield "stella", "gate-egress-rules", f"/requests/{request.pk}/gate/egress/"
    site.dataset = own


def people_pages() -> Iterator[tuple[str, str, str]]:
    """People and roles, with a proposal waiting, and what a role taken away and a reset look like."""
    ada, rosa, olivia = (User.objects.get(username=name) for name in ("ada", "rosa", "olivia"))
    nina = people.invite(by=ada, username="nina", first_name="Nina", last_name="New", email="nina@example.org")
    waiting = changes.propose(by=ada, user=nina, kind="grant", role="steward", reason="Joins the office in May.")
    address = changes.confirm(by=olivia, change=changes.propose(by=ada, user=nina, kind="reset", reason="New here."))
    yield "ada", "people", "/people/"
    yield "ada", "notices-none", "/notices/"
    yield "olivia", "notices", "/notices/"
    yield "ada", "people-none", "/people/?name=zz"
    yield "ada", "person", f"/people/{nina.pk}/"
    yield "ada", "person-new", "/people/new/"
    yield "ada", "propose-role", f"/people/{rosa.pk}/propose/grant/"
    yield "ada", "propose-reset", f"/people/{rosa.pk}/propose/reset/"
    yield "ada", "take-away", f"/people/{rosa.pk}/roles/researcher/take-away/"
    yield "ada", "change-own", waiting.get_absolute_url()
    yield "olivia", "change", waiting.get_absolute_url()
    yield "olivia", "new-password", address
    yield "olivia", "new-password-used", address[:-3] + "abc/"


def endpoint_pages(site: request_site.Site) -> Iterator[tuple[str, str, str]]:
    """Endpoints that were probed, in vain, long ago, and never; one probe is under way."""
    yield "ada", "endpoints-none", "/endpoints/"
    told = {"max_model_len": 8192}
    with OpenAIServer(KINDS["hosted"], models=models("model-large", **told)) as server:
        near = add_endpoint("house model", server.base_url)
        far = add_endpoint("far model", "https://api.example.org/v1", is_local=False)
        for endpoint in (near, far):
            Endpoint.objects.filter(pk=far.pk).update(enabled=False)  # nothing of a test leaves the machine
            probe = Probe.objects.create(
                endpoint=endpoint, address=endpoint.base_url, model=endpoint.model, asked_by="user:ada"
            )
            probing.carry_out(str(probe.pk))
        Endpoint.objects.filter(pk=far.pk).update(enabled=True)
    waiting = add_endpoint("a model that waits", "http://localhost:9/v1")
    Probe.objects.create(endpoint=waiting, address=waiting.base_url, model=waiting.model, asked_by="user:ada")
    yield "ada", "endpoints", "/endpoints/"
    yield "ada", "endpoint-probed", f"/endpoints/{near.pk}/"
    yield "amir", "endpoint-in-vain", f"/endpoints/{far.pk}/"
    yield "ada", "endpoint-waiting", f"/endpoints/{waiting.pk}/"
    request = site.measured(title="Asking a model", epsilon=Decimal(1), proposer=Proposer.OPENAI, endpoint=near)
    yield "stella", "gate-egress-model", f"/requests/{request.pk}/gate/egress/"
    yield "rosa", "request-new-endpoints", f"/requests/new/?dataset={site.dataset.pk}"


def add_endpoint(name: str, address: str, *, is_local: bool = True) -> Endpoint:
    made = services.add_endpoint(by="console", name=name, base_url=address, model="model-large", is_local=is_local)
    assert isinstance(made, Endpoint)
    return made


def door_pages(ds: str) -> Iterator[tuple[str, str, str]]:
    """The door's page with a switch that stands, one that was lifted, and a finding of each kind."""
    stella, stefan = (User.objects.get(username=name) for name in ("stella", "stefan"))
    old = switches.set_switch(by=stella, target="all", reason="The model's maker reports a fault.")
    switches.lift(by=stefan, switch=old, reason="The fault is mended.")
    standing = switches.set_switch(by=stefan, target=f"dataset:{ds.split('/')[2]}", reason="The owner has a question.")
    facts = {"detail": "the log holds a call that the door did not count"}
    found = CallFinding.objects.create(kind="uncounted call", subject=f"intent:{'a' * 32}", **facts)
    CallFinding.objects.create(
        kind="endpoint differs", subject="endpoint:far", detail="calls: the log holds 4; the endpoint reports 5",
        closed_by="user:stella", closed_at=timezone.now(), close_reason="A call of another system.",
    )  # fmt: skip
    yield "stella", "door-steward", "/door/"
    yield "amir", "door-auditor", "/door/"
    yield "stella", "switches", "/door/switches/standing/"
    yield "amir", "findings", "/door/findings/open/"
    yield "amir", "findings-closed", "/door/findings/closed/"
    yield "ada", "door-admin", "/door/"
    yield "stella", "switch-set", "/door/stop/"
    yield "stella", "switch-lift", f"/door/switches/{standing.pk}/lift/"
    yield "stella", "finding-close", f"/door/findings/{found.pk}/close/"


def test_every_page_in_both_themes_at_every_width(
    small: request_site.Site, sign_in: Any, open_door: Any, screenshots: Path
) -> None:
    """axe finds nothing, and nothing scrolls sideways on a narrow phone."""
    wrong: list[str] = []
    pages: dict[str, Page] = {}
    for who, name, address in every_page(small):
        if who not in pages:
            pages[who] = sign_in(who, reduced_motion="reduce")
        arrive(pages[who], address)
        wrong += look(pages[who], name, screenshots)
    assert not wrong, "\n".join(wrong)


def test_sign_in_page(browser: Browser, live_server: Any, transactional_db: None, screenshots: Path) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{live_server.url}/sign-in/")
        wrong = look(page, "sign-in", screenshots)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("There is a problem")
        assert not wrong + violations(page)


def test_the_eyes_see(browser: Browser, tmp_path: Path) -> None:
    """A page with a faint text, an unnamed field and a wide block: all three are found."""
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content(
            "<html lang=en><title>t</title><main><p style='color:#ccc;background:#fff'>faint</p>"
            "<input><div style='width:900px'>wide</div></main></html>"
        )
        found = "\n".join(look(page, "eyes", tmp_path))
    for rule in ("light 390: color-contrast", "dark 1280: color-contrast", "light 1280: label", "sideways"):
        assert rule in found


def test_a_run_page_follows_while_it_works(
    small: request_site.Site, sign_in: Any, open_door: Any, screenshots: Path
) -> None:
    """It says that it lives, in both themes; when the run pauses, it says why and stops asking."""
    request = small.measured()
    small.vote(request, small.stella, Gate.EGRESS)
    page = sign_in("stella", reduced_motion="reduce")
    page.goto(f"/requests/{request.pk}/run/")
    assert not look(page, "run-live", screenshots)
    open_door.shutdown()
    open_door.server_close()
    running.synthesise(str(request.pk))
    expect(page.get_by_role("heading", name="Paused")).to_be_visible()
    expect(page.get_by_text("the door does not answer")).to_be_visible()
    assert page.locator("#progress[hx-trigger]").count() == 0


def test_the_chosen_theme_is_kept(small: request_site.Site, sign_in: Any) -> None:
    """Dark by choice stays dark on the next page, written there by the server, and System forgets it."""
    page = sign_in("rosa", color_scheme="light")
    page.get_by_role("button", name="Dark").click()
    page.get_by_role("link", name="Help").click()
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="System").click()
    page.reload()
    assert page.locator("html").get_attribute("data-bs-theme") is None
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_the_keyboard_alone_reaches_the_content(small: request_site.Site, sign_in: Any) -> None:
    page = sign_in("rosa")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_what_is_wrong_with_a_file_is_told_by_column_and_rule(
    small: request_site.Site, sign_in: Any, tmp_path: Path, screenshots: Path
) -> None:
    """The summary takes the focus and names column and rule; the value itself appears nowhere."""
    (tmp_path / "bad.csv").write_text("sex,age,pay\nf,30,12\nsecretvalue,31,12\n")
    page = sign_in("olivia")
    page.goto(f"/datasets/{small.dataset.pk}/upload/")
    page.get_by_label("Data file").set_input_files(tmp_path / "bad.csv")
    page.get_by_role("button", name="Upload and seal").click()
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("sex")
    assert "secretvalue" not in page.content()
    assert small.dataset.versions.count() == 1
    assert not look(page, "upload-refused", screenshots)
