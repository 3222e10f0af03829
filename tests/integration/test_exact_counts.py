"""Counts without noise are for one gate's stewards and auditors: sealed in the database, and over once it decided."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections
from django.test import Client

from audit import events
from audit import log as audit_log
from audit.models import LogEntry
from llmsynthor_site import disclosing, returning
from privacy import check_seals, exact_counts, places, retention, wrapping
from privacy.dp import matching
from privacy.models import CheckRecord
from synthesis import packaging, packing, transitions
from synthesis.models import SynthesisRequest
from synthesis.states import Disclosure, Gate
from synthesis.states import RequestState as S
from synthesis.workflow import REQUEST
from tests import privacy_site, request_site
from tests.request_site import Site, fresh

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)

COUNT = 837491
PAGE = "/requests/{}/gate/output/"


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Site:
    """Its owner lets stewards see counts without noise; that many records would occur in the data."""
    made = request_site.make()
    open_to_stewards = {"exactChecks": True, "population": "people who may be counted", "title": "Open"}
    made.dataset = privacy_site.dataset(made.owner, content=request_site.table(1999), **open_to_stewards)
    monkeypatch.setattr(matching, "occurring", lambda *_: COUNT)
    return made


@pytest.fixture
def request_(house: Site) -> SynthesisRequest:
    """At gate C, its exact check done."""
    with request_site.open_door():
        request = house.synthesised(disclosure=Disclosure.STEWARDS)
    disclosing.compare(str(request.pk))
    packing.finish(str(request.pk))
    return fresh(request)


def shown(user: Any, address: str) -> str:
    client = Client()
    client.force_login(user)
    return client.get(address).content.decode().replace(",", "")


def stored(alias: str) -> bytes:
    """Every byte that the database holds, as it holds it or, where it is a server's, row by row."""
    connection = connections[alias]
    if connection.vendor == "sqlite":
        return bytes(connection.connection.serialize())
    with connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT t::text FROM {connection.ops.quote_name(table)} t")
            found += [line for (line,) in cursor.fetchall()]
    return "\n".join(found).encode()


def told_in_the_log(action: str) -> list[dict[str, Any]]:
    indexes = LogEntry.objects.filter(action=action).order_by("index").values_list("index", flat=True)
    return [dict(audit_log.entry(index).facts) for index in indexes]


def ended(key: str) -> bool:
    """Whether neither the sealed counts nor what opens them are there any more."""
    check = CheckRecord.objects.get(key=key)
    return not bytes(check.sealed) and not places.check_key(check.pk).exists()


def test_the_count_is_for_stewards_and_auditors_while_the_gate_is_open_and_in_no_byte_that_is_kept(
    house: Site, request_: SynthesisRequest
) -> None:
    check = CheckRecord.objects.get()
    assert exact_counts.opened(check.key)[0]["count"] == COUNT
    assert check.results == []
    for alias in ("default", "log"):
        assert str(COUNT).encode() not in stored(alias)
    assert request_.title.encode() in stored("default"), "a control: what is not sealed is found"
    for path in packaging.package_folder(str(request_.run.package.pk)).iterdir():
        assert str(COUNT).encode() not in path.read_bytes().replace(b",", b"")

    page, figures = PAGE.format(request_.pk), f"/api/v1/requests/{request_.pk}/disclosure/"
    for user in (house.stella, house.stefan, house.amir, house.owner, house.rosa, house.ada):
        sees = user in (house.stella, house.stefan, house.amir)
        for address in (page, figures, f"/requests/{request_.pk}/", f"/requests/{request_.pk}/run/"):
            assert (str(COUNT) in shown(user, address)) == (sees and address in (page, figures)), (user, address)
    assert "Not differentially private" in shown(house.stella, page)
    assert "Not differentially private" in shown(house.amir, page)

    retention.destroy_version(by=house.owner, version=check.release.version, reason="Asked to.")
    assert ended(check.key), "the rows ended, and the gate is still open"
    assert "Decide without them" in shown(house.stella, page)


def test_it_ends_with_the_gate_also_where_a_process_is_killed_before_the_key_goes(
    house: Site, request_: SynthesisRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, page = CheckRecord.objects.get(), PAGE.format(request_.pk)
    house.vote(request_, house.stella, Gate.OUTPUT)
    assert str(COUNT) in shown(house.stefan, page), "the second steward has not decided"
    with monkeypatch.context() as patch:
        patch.setattr(wrapping, "destroy", lambda path: (_ for _ in ()).throw(OSError("killed")))
        house.vote(request_, house.stefan, Gate.OUTPUT)
    assert fresh(request_).state == S.RELEASED, "what was decided stands"
    assert exact_counts.opened(check.key) == []
    assert str(COUNT) not in shown(house.stella, page)
    assert not ended(check.key), "its key is still there"
    returning.destroy_exact()
    assert ended(check.key)
    CheckRecord.objects.update(sealed=bytes(check.sealed))  # from a copy of the database
    assert exact_counts.opened(check.key) == []
    events.flush()
    told = told_in_the_log("privacy:check:destroyed")
    assert [(one["request"], one["reason"]) for one in told] == [(str(request_.pk), transitions.DECIDED)]


def test_every_way_out_of_the_gate_ends_it(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    request, destroyed = house.submitted(disclosure=Disclosure.STEWARDS), []
    monkeypatch.setattr(exact_counts, "destroy", lambda key, **_: destroyed.append(key))
    ways = [(row.name, state) for row in REQUEST.transitions for state in row.sources
            if state in transitions.SEES_EXACT and row.target not in transitions.SEES_EXACT]  # fmt: skip
    assert {name for name, _ in ways} == {"release", "reject", "lapse", "stop", "fail"}
    for name, state in ways:
        SynthesisRequest.objects.filter(pk=request.pk).update(state=state)
        transitions.move(fresh(request), name, by=transitions.SYSTEM)
    assert destroyed == [str(request.pk)] * len(ways)


def test_the_sealed_bytes_are_as_many_whatever_was_counted() -> None:
    few = check_seals.sealed("few", [{"question": "q", "count": 0}])
    many = check_seals.sealed("many", [{"question": "q", "count": 10**15}])
    assert len(few) == len(many)
    assert places.check_key("few").stat().st_mode & 0o077 == 0
