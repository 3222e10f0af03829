"""What people are told, by page and by mail: who, when, never how somebody voted, and nothing before its entry."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.models import LogEntry
from llmsynthor_site import notices, services
from llmsynthor_site.models import Notice, User
from llmsynthor_site.people import changes
from synthesis import services as requests
from synthesis.models import SynthesisRequest
from synthesis.states import Decision, RequestState
from synthesis.workflow import REQUEST
from tests import privacy_site, request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


@pytest.fixture
def by_mail(settings: Any) -> None:
    settings.NOTICES_BY_MAIL, settings.SITE_URL = True, "https://site.example"


def told(user: User) -> list[str]:
    return list(notices.of(user).values_list("text", flat=True))


def entered(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_each_step_tells_those_whose_move_it_is(small: request_site.Site) -> None:
    request = small.submitted()
    waiting = f"Request {request.reference} waits for decisions at gate A: may it be measured?"
    assert told(small.stella) == told(small.stefan) == [waiting]
    assert [told(one) for one in (small.rosa, small.owner, small.amir, small.ada)] == [[], [], [], []]
    requests.return_with_comments(by=small.stella, request=SynthesisRequest.objects.get(), comment="Say who uses it.")
    assert told(small.rosa) == [f"Your request {request.reference} came back with comments."]


def test_a_vote_tells_nobody_anything_until_all_are_in(small: request_site.Site) -> None:
    """After the first vote there is no new notice for anybody, whichever way it went."""
    for decision in Decision:
        request = small.submitted(title="A title nobody may read in a mail", epsilon=Decimal(1))
        before = Notice.objects.count()
        small.vote(request, small.stella, decision=decision)
        assert Notice.objects.count() == before
        small.vote(request, small.stefan, decision=decision)
        [news] = Notice.objects.all()[before:]
        assert news.user == small.rosa
    assert not any(row.name in notices.TOLD for row in REQUEST.transitions if row.name.startswith("vote_"))
    assert not Notice.objects.filter(text__contains="title").exists()


def test_every_step_of_the_table_that_is_told_exists(site: Any) -> None:
    assert set(notices.TOLD) <= {row.name for row in REQUEST.transitions}


def test_who_owns_the_data_is_not_asked_to_decide_though_a_steward_by_now(small: request_site.Site) -> None:
    services.take_away_role(by=None, user=small.owner, role="owner", reason="Another office.")
    services.grant_role(by=None, user=small.owner, role="steward")
    small.submitted()
    assert not any("gate A" in text for text in told(small.owner))


def test_a_step_that_is_taken_back_tells_nobody(small: request_site.Site) -> None:
    request = small.request()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        requests.submit(by=small.rosa, request=request)
        raise ZeroDivisionError
    assert not Notice.objects.exists()


def test_changes_of_access_are_told_to_who_decides_and_to_whom_they_concern(small: request_site.Site) -> None:
    nina = privacy_site.person("nina")
    change = changes.propose(by=small.ada, user=nina, kind="grant", role="steward", reason="Joins.")
    assert told(small.owner) == ["A change of somebody's access waits for a second person."]
    assert told(small.ada) == told(nina) == []
    changes.confirm(by=small.owner, change=change)
    services.take_away_role(by=small.ada, user=nina, role="steward", reason="Left.")
    assert told(nina) == ["You are no data steward any more.", "You hold the role of data steward now."]


def test_the_badge_counts_what_is_unread_and_the_page_clears_it(small: request_site.Site) -> None:
    request = small.submitted()
    stella = entered(small.stella)
    assert '1<span class="visually-hidden"> unread' in stella.get("/").content.decode()
    shown = stella.get("/notices/").content.decode()
    assert request.get_absolute_url() in shown
    assert stella.post("/notices/").status_code == 302
    assert "unread" not in stella.get("/notices/").content.decode()
    assert notices.unread(small.stefan) == 1, "one's own alone"
    assert "Nobody has told you anything yet" in entered(small.ada).get("/notices/").content.decode()


def test_mail_goes_once_after_its_entry_and_names_no_title(small: request_site.Site, by_mail: None) -> None:
    request = small.submitted(title="A delicate title")
    assert notices.deliver() == 2
    assert notices.deliver() == 0
    assert LogEntry.objects.filter(action="synthesis:request:submitted").exists()
    assert sorted(one.to[0] for one in mail.outbox) == ["stefan@example.org", "stella@example.org"]
    assert all(f"https://site.example/requests/{request.pk}/" in one.body for one in mail.outbox)
    assert not any("delicate" in f"{one.subject} {one.body}" for one in mail.outbox)


def test_without_the_log_no_mail_goes(small: request_site.Site, by_mail: None, monkeypatch: pytest.MonkeyPatch) -> None:
    small.submitted()

    def gone() -> int:
        raise notices.events.LogUnavailable("the log is away")

    monkeypatch.setattr("audit.events.flush", gone)
    with pytest.raises(notices.events.LogUnavailable):
        notices.deliver()
    assert mail.outbox == []


def test_mail_that_fails_is_tried_again_and_not_for_ever(
    small: request_site.Site, by_mail: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.submitted()
    monkeypatch.setattr("llmsynthor_site.notices.send_mail", refuse)
    for _ in range(notices.TRIES + 1):
        assert notices.deliver() == 0
    assert set(Notice.objects.values_list("tries", flat=True)) == {notices.TRIES}
    assert SynthesisRequest.objects.get().state == RequestState.SUBMITTED


def refuse(*_: Any, **__: Any) -> int:
    raise ConnectionRefusedError


def test_what_was_read_in_the_site_is_not_mailed_and_no_server_means_no_mail(
    small: request_site.Site, settings: Any
) -> None:
    small.submitted()
    assert notices.deliver() == 0
    settings.NOTICES_BY_MAIL = True
    notices.mark_read(small.stella)
    assert notices.deliver() == 1
    assert mail.outbox[0].to == ["stefan@example.org"]


def test_home_notices_and_people_ask_no_more_of_the_database_when_there_is_more_to_show(
    small: request_site.Site,
) -> None:
    """At most twelve queries beside session, person, roles and badge, and as many with one request as with many."""

    def queries() -> dict[str, int]:
        seen = [(small.stella, "/"), (small.rosa, "/"), (small.owner, "/"), (small.ada, "/people/")]
        found = {}
        for user, page in [*seen, (small.stella, "/notices/")]:
            client = entered(user)
            with CaptureQueriesContext(connection) as asked:
                assert client.get(page).status_code == 200
            found[f"{user} {page}"] = len(asked)
        return found

    fill(small, 1)
    few = queries()
    fill(small, 6)
    assert queries() == few
    assert max(few.values()) - 4 <= 12, few


def fill(small: request_site.Site, number: int) -> None:
    """Requests, one of each two with a vote, and people with a proposal about each."""
    for at in range(number):
        small.vote(small.submitted(epsilon=Decimal("0.1")), small.stella)
        small.submitted(epsilon=Decimal("0.1"))
        new = privacy_site.person(f"p{User.objects.count()}-{at}", "researcher")
        changes.propose(by=small.ada, user=new, kind="reset", reason="Lost.")


def test_what_waits_for_nobody_any_more_is_marked_as_done(small: request_site.Site) -> None:
    """One's own vote settles one's own notice, the step out of the gate everybody's; nobody learns of a vote."""
    request = small.submitted()
    assert notices.unread(small.stella) == notices.unread(small.stefan) == 1
    small.vote(request, small.stella)
    assert (notices.unread(small.stella), notices.unread(small.stefan)) == (0, 1)
    requests.withdraw(by=small.rosa, request=SynthesisRequest.objects.get())
    assert notices.unread(small.stefan) == 0
    assert notices.unread(small.rosa) == 0


def test_a_notice_for_the_requester_stays_unread_when_the_request_moves_on(small: request_site.Site) -> None:
    request = small.submitted()
    requests.return_with_comments(by=small.stella, request=SynthesisRequest.objects.get(), comment="Say who uses it.")
    assert notices.unread(small.stefan) == 0
    requests.submit(by=small.rosa, request=SynthesisRequest.objects.get(pk=request.pk))
    assert notices.unread(small.rosa) == 1
    assert notices.unread(small.stefan) == 1, "asked anew"


def test_a_decided_change_of_access_waits_for_nobody(small: request_site.Site) -> None:
    change = changes.propose(by=small.ada, user=small.rosa, kind="reset", reason="Lost.")
    assert notices.unread(small.owner) == 1
    changes.decline(by=small.ada, change=change)
    assert notices.unread(small.owner) == 0


def test_the_last_administrator_is_not_offered_to_lose_the_role(small: request_site.Site) -> None:
    shown = entered(small.ada).get(small.ada.get_absolute_url()).content.decode()
    assert "The last administrator keeps the role" in shown
    assert "take-away" not in shown
    privacy_site.person("bela", "admin")
    assert "take-away" in entered(small.ada).get(small.ada.get_absolute_url()).content.decode()


def test_times_are_shown_in_the_zone_somebody_chose(small: request_site.Site) -> None:
    small.submitted()
    stella = entered(small.stella)
    assert "UTC" in stella.get("/notices/").content.decode()
    assert stella.post("/settings/", {"time_zone": "Mars/Base", "theme": ""}).status_code == 200
    kept = stella.post("/settings/", {"time_zone": "Asia/Tokyo", "theme": "dark"})
    assert (kept.status_code, kept.cookies["theme"].value) == (302, "dark")
    assert "JST" in stella.get("/notices/").content.decode()
    assert "UTC" in entered(small.stefan).get("/notices/").content.decode()
    User.objects.filter(pk=small.stella.pk).update(time_zone="Gone/Nowhere")
    assert stella.get("/notices/").status_code == 200
