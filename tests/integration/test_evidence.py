"""Evidence packs: whole, signed, and about one thing only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from audit import canonical, events, notes, prompts, rendering, selection
from audit.leaves import Leaf
from audit.models import LogEntry, PromptRecord
from audit.selection import Scope
from tests import evidence_site, request_site
from tests.evidence_site import Two, findings, pack_of
from tests.request_site import open_door

SMALL = Decimal("0.1")
pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def two() -> Iterator[Two]:
    with open_door():
        yield evidence_site.two_requests()


@pytest.fixture
def asked() -> Two:
    """One request, submitted and no more."""
    house = request_site.make()
    return Two(house, house.submitted(), house.submitted())


def test_a_pack_holds_and_says_what_it_is_about(two: Two, tmp_path: Path) -> None:
    """The log inside verifies, the story is on the page, and every vote's document is there under its hash.

    Nothing of the other request but its entries is inside: its prompts, answers, tables, title and comments are
    looked for in every file, decoded bodies included. Control: a pack about the dataset holds both requests, and
    the same search finds them.
    """
    bag = pack_of(Scope("request", str(two.ours.pk)), tmp_path)
    assert findings(bag) == []
    assert findings(bag.parents[1] / "pack.zip") == []
    page = (bag / "data" / "index.html").read_text()
    run = str(two.ours.run.pk)
    assert PromptRecord.objects.filter(run=run).exists()
    for text in ("To teach.", "stella", "discrete gaussian", "seg-dpvalue", "You help to build", "quality.json"):
        assert text in page
    for vote in two.ours.votes.all():
        assert (bag / "data" / "approved" / f"{vote.content_hash}.json").is_file()
    receipt = json.loads((bag / "data" / "requests" / f"{two.ours.pk}.json").read_text())["receipts"][0]
    assert receipt["sha256"] in page
    made = LogEntry.objects.get(action="audit:evidence:made")
    assert json.loads(bytes(made.leaf))["facts"]["reason"] == "the yearly check"
    (tmp_path / "both").mkdir()
    both = pack_of(Scope("dataset", str(two.house.dataset.pk)), tmp_path / "both")
    assert findings(both) == []
    inside, control = (b"\n".join(everything(one)) for one in (bag, both))
    ours, other = (bodies_of(request) for request in (two.ours, two.other))
    secrets = [*other, b"Somebody else"]
    assert len(other) > 3
    assert all(secret in control for secret in [*ours, *secrets])
    assert [secret for secret in secrets if secret in inside] == []
    counts = json.loads((bag / "data" / "verification.json").read_text())["counts"]
    assert counts["bodies not included"] == len(other)
    assert counts["prompts not included, not replayable"] >= 1
    packs_of_periods(tmp_path)


def everything(bag: Path) -> Iterator[bytes]:
    yield from (path.read_bytes() for path in bag.rglob("*") if path.is_file())
    for line in (bag / "data" / "audit" / "bodies.jsonl").read_bytes().splitlines():
        yield notes.unb64(canonical.loads(line)["data"])


def bodies_of(request: Any) -> list[bytes]:
    """Prompts, maps, answers and the released tables of one request, as bytes."""
    records = PromptRecord.objects.filter(run=str(request.run.pk))
    kept = [prompts.load_body(record) for record in records] + [prompts.answer(one.intent_id) for one in records]
    tables = LogEntry.objects.get(action="privacy:release:measured", subject=f"release:{request.release_id}")
    told = json.loads(bytes(tables.leaf))["facts"]["tables"]
    maps = [rendering.to_map(prompts.load_prompt(record)) for record in records]
    return [*kept, *maps, prompts.bodies.opened(told["id"], expected=told["hash"])]


def test_the_command_says_what_is_wrong(asked: Two, tmp_path: Path) -> None:
    """Unknown things, drafts, wrong days, a file that is there: told by rule, and no file is left."""
    draft = asked.house.request(epsilon=SMALL)
    out = tmp_path / "x.zip"
    refused: list[dict[str, Any]] = [
        {}, {"request": "00000000-0000-0000-0000-000000000000"}, {"request": str(draft.pk)},
        {"request": "a", "dataset": "b"}, {"since": "2026-01-01"}, {"since": "1.1.2026", "until": "2026-01-02"},
        {"since": "2026-02-01", "until": "2026-01-01"},
    ]  # fmt: skip
    for options in refused:
        with pytest.raises(CommandError):
            call_command("make_evidence", out=out, reason="r", **options)
    assert not out.exists()
    client = Client()
    client.force_login(asked.house.amir, backend="llmsynthor_site.backends.RoleBackend")
    assert client.get(reverse("request-evidence", args=[draft.pk])).status_code == 404
    out.write_text("mine")
    with pytest.raises(CommandError, match="does not exist yet"):
        call_command("make_evidence", out=out, reason="r", request=str(asked.ours.pk))
    assert out.read_text() == "mine"


def packs_of_periods(tmp_path: Path) -> None:
    """Today holds bodies; a day long ago holds none; both packs verify."""
    today = LogEntry.objects.latest("index").at.date().isoformat()
    for name, since, until in (("now", today, "2999-01-01"), ("then", "2001-01-01", "2001-01-02")):
        (tmp_path / name).mkdir()
        scope = Scope("period", since=f"{since}T00:00:00Z", until=f"{until}T23:59:59Z")
        bag = pack_of(scope, tmp_path / name)
        assert findings(bag) == []
        held = (bag / "data" / "audit" / "bodies.jsonl").read_bytes()
        assert bool(held) == (name == "now")


def test_a_broken_log_is_said_on_the_page(asked: Two, tmp_path: Path) -> None:
    """The pack is made all the same: it is evidence of that, too."""
    events.append(
        action="synthesis:download:served", by="user:rosa", subject="package:x",
        facts={"grant": "none", "user": "user:rosa", "sha256": "x", "licence": "1"},
    )  # fmt: skip
    bag = pack_of(Scope("request", str(asked.ours.pk)), tmp_path)
    assert any("a download nobody granted" in one for one in findings(bag))
    assert "The log did NOT hold" in (bag / "data" / "index.html").read_text()


def test_a_request_that_reuses_a_release_is_not_tied_to_the_other() -> None:
    """Both packs hold the released tables; neither holds the other's prompts."""

    def leaf(index: int, action: str, subject: str, **facts: str) -> Leaf:
        return Leaf(index, "2026-01-01T00:00:00Z", str(index), action, "system", subject, facts)

    leaves = [
        leaf(0, "synthesis:request:created", "request:q1", request="q1", dataset="d"),
        leaf(1, "privacy:release:measured", "release:r", release="r", request="q1"),
        leaf(2, "privacy:release:reused", "release:r", release="r", request="q2"),
        leaf(3, "synthesis:run:started", "run:u1", request="q1", run="u1"),
        leaf(4, "audit:prompt:intent", "run:u1", run="u1", intent="i1"),
        leaf(5, "synthesis:run:started", "run:u2", request="q2", run="u2"),
        leaf(6, "audit:prompt:intent", "run:u2", run="u2", intent="i2"),
    ]
    assert selection.select(leaves, Scope("request", "q2")).entries == (1, 2, 5, 6)
    assert selection.select(leaves, Scope("request", "q1")).entries == (0, 1, 2, 3, 4)
    assert selection.select(leaves, Scope("dataset", "d")).entries == (0, 1, 2, 3, 4)


def pages(two: Two) -> dict[str, str]:
    return {
        "request": reverse("request-evidence", args=[two.ours.pk]),
        "dataset": reverse("dataset-evidence", args=[two.house.dataset.pk]),
        "period": reverse("period-evidence"),
    }


def test_only_auditors_make_one(asked: Two) -> None:
    """Owners, stewards, researchers and administrators may not: a pack holds every entry of the log."""
    people = {name: getattr(asked.house, name) for name in ("owner", "stella", "rosa", "ada", "amir")}
    given = {"reason": "why", "since": "2026-01-01", "until": "2999-01-01"}
    for name, user in people.items():
        client = Client()
        client.force_login(user, backend="llmsynthor_site.backends.RoleBackend")
        for address in pages(asked).values():
            expected = 200 if name == "amir" else 403
            assert client.get(address).status_code == expected, (name, address)
            assert client.post(address, given).status_code == expected, (name, address)
    assert LogEntry.objects.filter(action="audit:evidence:made", by="user:amir").count() == 3
    assert LogEntry.objects.filter(action="audit:evidence:made").count() == 3


def test_the_button_gives_a_pack_that_holds(asked: Two, tmp_path: Path) -> None:
    """GET makes nothing, a missing reason is asked for, a POST downloads; nothing is left in the site's folder."""
    client = Client()
    client.force_login(asked.house.amir, backend="llmsynthor_site.backends.RoleBackend")
    address = pages(asked)["request"]
    assert address in client.get(asked.ours.get_absolute_url()).content.decode()
    before = LogEntry.objects.count()
    client.get(address)
    assert client.post(address, {"reason": " "}).status_code == 422
    backwards = {"reason": "x", "since": "2026-02-01", "until": "2026-01-01"}
    assert client.post(pages(asked)["period"], backwards).status_code == 422
    assert LogEntry.objects.count() == before
    answer = client.post(address, {"reason": "a complaint"})
    (tmp_path / "got.zip").write_bytes(b"".join(answer.streaming_content))
    assert findings(tmp_path / "got.zip") == []
    assert not list(Path(settings.SITE_DIR).glob(".evidence-*"))
