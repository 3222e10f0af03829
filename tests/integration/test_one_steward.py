"""One-steward mode: a small house with one steward, whose owner signs for it, and everybody who is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from audit import keys, verify, verify_package
from audit.export import export
from audit.models import LogEntry
from llmsynthor_site import joining, notices
from llmsynthor_site.models import User
from llmsynthor_site.people.changes import SUSPENDED
from privacy import waivers
from privacy.models import StewardWaiver
from privacy.waiver_text import WAIVER_TEXT, digest
from synthesis import packaging, policies, reviewing, running, services
from synthesis.models import SynthesisRequest, Vote
from synthesis.states import Gate
from synthesis.states import RequestState as S
from tests import privacy_site, request_site
from tests.request_site import fresh

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> request_site.Site:
    return request_site.make()


def entered(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def signed(house: request_site.Site) -> StewardWaiver:
    return waivers.sign(by=house.owner, dataset=house.dataset, seen=digest(), reason="A small house.")


def ended(house: request_site.Site) -> StewardWaiver:
    standing = StewardWaiver.objects.get(ended_at=None)
    return waivers.end(by=house.owner, waiver=standing, reason="We are two now.")


def released_by_one(house: request_site.Site) -> SynthesisRequest:
    """Stella alone, at every gate; the workers' own functions in between."""
    with request_site.open_door():
        request = house.submitted()
        house.vote(request, house.stella)
        joining.measure(str(request.pk))
        house.vote(request, house.stella, Gate.EGRESS)
        running.synthesise(str(request.pk))
        house.vote(request, house.stella, Gate.OUTPUT)
    return fresh(request)


def test_one_steward_takes_a_request_to_its_package_which_says_so_and_the_verifiers_agree(
    house: request_site.Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waiver = signed(house)
    request = released_by_one(house)
    assert request.state == S.RELEASED
    assert list(Vote.objects.values_list("voter__username", flat=True)) == ["stella"] * 3
    folder = packaging.package_folder(str(request.run.package.pk))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["one_steward"] == waiver.as_json()
    for name in ("guarantee.txt", "README.md", "datacard.md", "report.html", "dpia.md", "deployment.yaml"):
        text = (folder / name).read_text().lower()
        assert "waived the second" in " ".join(text.split()), name
        assert "two stewards approve" not in text, name

    made = export(tmp_path / "export", by="user:amir", reason="A check.")
    report = verify.verify(tmp_path / "export", key=str(keys.public()))
    assert report.findings == []
    assert report.counts["gates passed under a waiver of the second steward"] == 3
    checked = [str(folder), "--key", str(keys.public()), "--log", str(tmp_path / "export")]
    assert verify_package.main(checked) == 0
    told = capsys.readouterr().out
    assert f"The log of {made.size} entries holds, and tells of it." in told
    assert "One steward decided on it" in told


def test_a_package_whose_log_knows_of_no_such_waiver_is_refused(house: request_site.Site, tmp_path: Path) -> None:
    """The same package, with a log in which it was never built: the package verifier says so and ends with 1."""
    signed(house)
    request = released_by_one(house)
    folder = packaging.package_folder(str(request.run.package.pk))
    export(tmp_path / "export", by="user:amir", reason="A check.")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["one_steward"] = None
    copy = tmp_path / "package"
    copy.mkdir()
    for path in folder.iterdir():
        if path.name not in ("manifest.json", "attestation.json"):
            (copy / path.name).write_bytes(path.read_bytes())
    told = {name: value for name, value in manifest.items() if name not in ("format", "files")}
    packaging.sign(copy, told, keys.signing())
    checked = [str(copy), "--key", str(keys.public())]
    assert verify_package.main(checked) == 0, "whoever holds the key signs what they like"
    assert verify_package.main([*checked, "--log", str(tmp_path / "export")]) == 1, "the log does not bear it out"


def test_a_waiver_never_covers_what_was_submitted_before_it(house: request_site.Site) -> None:
    before = house.submitted()
    signed(house)
    house.vote(before, house.stella)
    assert fresh(before).state == S.IN_REVIEW
    after = house.submitted()
    house.vote(after, house.stella)
    assert fresh(after).state == S.APPROVED
    services.return_with_comments(by=house.stefan, request=fresh(before), comment="Say more.")
    services.submit(by=house.rosa, request=fresh(before))
    house.vote(before, house.stella)
    assert fresh(before).state == S.APPROVED, "submitted again, it is reviewed anew"
    assert fresh(before).snapshot["waiver"]["waiver"] == str(StewardWaiver.objects.get().pk)


def test_an_ended_waiver_leaves_what_was_decided_and_takes_two_from_then_on(house: request_site.Site) -> None:
    signed(house)
    request, other = house.submitted(), house.submitted()
    house.vote(other, house.stella)
    ended(house)
    house.vote(request, house.stella)
    assert fresh(request).state == S.IN_REVIEW
    house.vote(request, house.stefan)
    assert fresh(request).state == S.APPROVED
    assert fresh(other).state == S.APPROVED
    gate = entered(house.stella).get(f"/requests/{other.pk}/").content.decode()
    assert "Two stewards decide again" in gate


def test_every_gate_is_covered_also_where_something_leaves_the_house(house: request_site.Site) -> None:
    signed(house)
    request = house.submitted()
    house.vote(request, house.stella)
    joining.measure(str(request.pk))
    request = fresh(request)
    request.manifest.body["local"] = False
    assert [policies.votes_needed(request, gate) for gate in Gate] == [1, 1, 1]
    ended(house)
    request = fresh(request)
    request.manifest.body["local"] = False
    assert [policies.votes_needed(request, gate) for gate in Gate] == [2, 2, 2]


def test_a_condition_is_accepted_and_decides_alone(house: request_site.Site) -> None:
    signed(house)
    request = house.submitted()
    reviewing.state_condition(by=house.stella, request=request, text="In class only.", seen=request.content_hash)
    reviewing.accept_conditions(by=house.rosa, request=fresh(request))
    assert fresh(request).state == S.APPROVED


def test_the_owner_signs_and_ends_it_on_pages_of_their_own(house: request_site.Site) -> None:
    olivia, address = entered(house.owner), f"/datasets/{house.dataset.pk}/one-steward/"
    shown = olivia.get(address).content.decode()
    assert digest() in shown
    assert "I waive the second steward" in shown
    given = {"seen": digest(), "reason": "A small house."}
    assert "Say that you have read the words and sign them" in olivia.post(address, given).content.decode()
    assert (
        "The words have changed" in olivia.post(address, {**given, "seen": "0" * 64, "accept": "on"}).content.decode()
    )
    assert not StewardWaiver.objects.exists()
    for _ in range(2):  # a double click
        assert olivia.post(address, {**given, "accept": "on"}).status_code == 302
    waiver = StewardWaiver.objects.get()
    assert (waiver.text, waiver.signed_by) == (WAIVER_TEXT, house.owner)
    for person in (house.owner, house.stella, house.rosa, house.amir):
        assert "One steward decides" in entered(person).get(house.dataset.get_absolute_url()).content.decode()
    for _ in range(2):
        assert olivia.post(f"{address}end/", {"reason": "We are two now."}).status_code == 302
    actions = LogEntry.objects.filter(action__startswith="privacy:waiver:").order_by("index")
    assert [one.action for one in actions] == ["privacy:waiver:signed", "privacy:waiver:ended"]
    assert "Ended waivers" in entered(house.rosa).get(house.dataset.get_absolute_url()).content.decode()
    assert [one.text for one in notices.of(house.stefan)] == [
        "A dataset's owner lets two stewards decide again.",
        "A dataset's owner lets one steward decide on its requests from now on.",
    ]


def test_it_is_seen_on_every_list_and_page_of_a_request(house: request_site.Site) -> None:
    signed(house)
    request = house.submitted()
    for person in (house.stella, house.rosa, house.amir, house.owner):
        client = entered(person)
        for address in ("/requests/", f"/requests/{request.pk}/", f"/requests/{request.pk}/run/"):
            assert "One steward decides" in client.get(address).content.decode(), (person, address)
    stella = entered(house.stella)
    assert "One steward decides" in stella.get("/").content.decode(), "the queue of what waits for her"
    gate = stella.get(f"/requests/{request.pk}/gate/measure/").content.decode()
    assert "One data steward decides, because the dataset's owner waived the second." in gate
    assert "waived the second steward on" in entered(house.amir).get("/desk/duties/").content.decode()
    draft = house.request()
    asked = entered(house.rosa).get(f"/requests/{draft.pk}/step/submit/").content.decode()
    assert "One steward decides:" in asked


def test_nobody_else_signs_or_ends_it(house: request_site.Site) -> None:
    other = privacy_site.person("oscar", "owner")
    address = f"/datasets/{house.dataset.pk}/one-steward/"
    given = {"seen": digest(), "reason": "Mine.", "accept": "on"}
    everyone = (other, house.stella, house.rosa, house.amir, house.ada)
    for person in everyone:
        assert entered(person).post(address, given).status_code in (403, 404), person
    assert not StewardWaiver.objects.exists()
    waiver = signed(house)
    for person in everyone:
        assert entered(person).post(f"{address}end/", {"reason": "No."}).status_code in (403, 404), person
        with pytest.raises(PermissionDenied, match="owner alone"):
            waivers.end(by=person, waiver=waiver, reason="No.")
    house.owner.suspended_until = timezone.now() + SUSPENDED
    house.owner.save()
    assert entered(house.owner).post(f"{address}end/", {"reason": "No."}).status_code == 403
    assert StewardWaiver.objects.get().stands


def test_it_needs_a_reason_and_the_database_keeps_one_at_a_time(house: request_site.Site) -> None:
    with pytest.raises(ValidationError, match="Say why"):
        waivers.sign(by=house.owner, dataset=house.dataset, seen=digest(), reason=" ")
    waiver = signed(house)
    assert signed(house) == waiver
    again = {"dataset": house.dataset, "version": "1", "text": "x", "reason": "x", "signed_by": house.owner}
    with pytest.raises(IntegrityError), transaction.atomic():
        StewardWaiver.objects.create(**again)
    with pytest.raises(IntegrityError), transaction.atomic():
        StewardWaiver.objects.filter(pk=waiver.pk).update(ended_at=timezone.now())


def test_a_package_of_two_stewards_names_no_waiver(house: request_site.Site, tmp_path: Path) -> None:
    with request_site.open_door():
        request = house.released()
    folder = packaging.package_folder(str(request.run.package.pk))
    assert json.loads((folder / "manifest.json").read_text())["one_steward"] is None
    assert "ONE STEWARD" not in (folder / "guarantee.txt").read_text()
    export(tmp_path / "export", by="user:amir", reason="A check.")
    checked = [str(folder), "--key", str(keys.public()), "--log", str(tmp_path / "export")]
    assert verify_package.main(checked) == 0
