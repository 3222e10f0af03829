"""What people may type that was not meant: it stays words, counts once, and is refused where it is too much."""

from __future__ import annotations

import html

import pytest
from django.conf import settings
from django.test import Client

from llmsynthor_site.models import User
from synthesis import services
from tests import request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)

HOSTILE = {
    "script": "</textarea><script>alert(1)</script>",
    "right to left": "\u202egnp.exe \u2066x",
    "zero width": "a\u200b\u200d\ufeffb",
    "emoji": "\U0001f9d1\U0001f3fd\u200d\U0001f52c",
    "sql": "'; DROP TABLE x; --",
    "template": "{{ request.user }}{% load x %}",
}


@pytest.fixture
def house() -> request_site.Site:
    return request_site.make()


def entered(username: str) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.get(username=username))
    return client


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_words_are_kept_as_words(house: request_site.Site, kind: str) -> None:
    """Taken, they stand on the pages of others as they were typed, and run nowhere."""
    request = services.submit(by=house.rosa, request=house.request(purpose=HOSTILE[kind], context=HOSTILE[kind]))
    services.return_with_comments(by=house.stella, request=request, comment=HOSTILE[kind])
    for who in ("rosa", "stella", "amir", "olivia"):
        shown = entered(who).get(request.get_absolute_url()).content.decode()
        assert html.escape(HOSTILE[kind]) in shown, who
        assert "<script>alert" not in shown, who


def test_twice_at_once_and_on_an_old_page(house: request_site.Site) -> None:
    """A second click and a page from before say so calmly, and count once."""
    request = house.submitted()
    stella, decide = entered("stella"), f"/requests/{request.pk}/gate/measure/decide/"
    vote = {"seen": request.content_hash, "decision": "approve", "comment": ""}
    assert [stella.post(decide, vote).status_code for _ in range(2)] == [302, 403]
    assert request.votes.count() == 1
    rosa, back = entered("rosa"), f"/requests/{request.pk}/step/take_back/"
    assert rosa.post(back).status_code == 302
    late = entered("stefan").post(decide, vote, follow=True).content.decode()
    assert "That is not possible while the request is: Returned with comments." in html.unescape(late)


def test_a_body_that_is_larger_than_any_form_is_refused(house: request_site.Site) -> None:
    huge = "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    answer = entered("rosa").post("/requests/new/", {"title": huge})
    assert answer.status_code in (400, 413)
    many = {f"field{number}": "x" for number in range(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1)}
    assert entered("rosa").post("/requests/new/", many).status_code in (400, 413)
