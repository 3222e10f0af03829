"""A public reference table: declared by its owner, kept with its hash, and what a run starts from."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from audit.models import Outbox
from privacy import selectors
from synthesis import references, running
from synthesis.models import Reference, SynthesisRequest
from synthesis.states import Gate, Proposer
from synthesis.states import RequestState as S
from tests import request_site
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "log"])


@pytest.fixture
def house() -> Site:
    return request_site.make()


def attach(site: Site, path: Path, *, owner: str = "olivia", public: bool = True) -> str:
    out = io.StringIO()
    asked = ["attach_reference", str(site.dataset.pk), str(path), "--owner", owner]
    call_command(*asked, *(["--public"] if public else []), stdout=out)
    return out.getvalue()


def public_file(tmp_path: Path, content: bytes | None = None) -> Path:
    path = tmp_path / "public.csv"
    path.write_bytes(content if content is not None else request_site.table(310))
    return path


def test_only_the_owner_attaches_and_only_what_they_declare_public(house: Site, tmp_path: Path) -> None:
    path = public_file(tmp_path)
    with pytest.raises(CommandError, match="say --public"):
        attach(house, path, public=False)
    with pytest.raises(CommandError, match="Only the owner"):
        attach(house, path, owner="rosa")
    assert not Reference.objects.exists()
    assert "310 public rows" in attach(house, path)
    reference = Reference.objects.get()
    event = Outbox.objects.get(action="synthesis:reference:attached")
    assert reference.content_hash.encode() in bytes(event.facts)
    assert reference.file_sha256.encode() in bytes(event.facts)


def test_the_private_file_itself_is_refused(house: Site, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="registered as personal data"):
        attach(house, public_file(tmp_path, request_site.table()))


def test_a_file_in_another_form_is_refused_by_column_and_rule_alone(house: Site, tmp_path: Path) -> None:
    with pytest.raises(CommandError) as refused:
        attach(house, public_file(tmp_path, b"sex,age,pay\nqqq,3,5\n"))
    assert "column sex" in str(refused.value)
    assert "qqq" not in str(refused.value)


def test_a_request_needs_a_reference_that_is_there(house: Site) -> None:
    with pytest.raises(ValidationError, match="no public reference table"):
        house.request(proposer=Proposer.PUBLIC)


def test_a_run_starts_from_the_reference_that_was_approved(house: Site, tmp_path: Path) -> None:
    attach(house, public_file(tmp_path))
    with open_door():
        request = house.measured(proposer=Proposer.PUBLIC)
        assert request.snapshot["reference"]["components_sha256"] == Reference.objects.get().content_hash
        attach(house, public_file(tmp_path, request_site.table(90)))  # a later one is for later requests
        house.vote(request, house.stella, Gate.EGRESS)
        running.synthesise(str(request.pk))
    request = SynthesisRequest.objects.get(pk=request.pk)
    assert request.state == S.CHECKING
    told = request.run.events.get(kind="reference").data
    assert told["trust"] > 0.5
    assert "agree" in told["reason"]
    assert request.run.report["iterations"][-1]["alone"] < 0.5
    assert request.run.package.manifest["reference"]["rows"] == 310


def test_components_that_were_changed_after_approval_are_not_used(house: Site, tmp_path: Path) -> None:
    attach(house, public_file(tmp_path))
    request = house.submitted(proposer=Proposer.PUBLIC)
    assert references.supposed(request) is not None
    assert request.public_reference is not None
    request.public_reference.plan["weights"][0] += 1
    with pytest.raises(ValueError, match="not those that were approved"):
        references.supposed(request)


def test_what_is_kept_is_what_was_learned(house: Site, tmp_path: Path) -> None:
    attach(house, public_file(tmp_path))
    request = SynthesisRequest.objects.get(pk=house.submitted(proposer=Proposer.PUBLIC).pk)
    plan = references.supposed(request)
    assert plan is not None
    assert {len(p.chances) for p in plan.proposals} == {len(selectors.domain(request.dataset).columns)}
