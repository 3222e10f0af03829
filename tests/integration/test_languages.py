"""In which language somebody reads, and what stays English whoever reads it."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.template import Context, Template
from django.test import Client
from django.utils import translation

from llmsynthor_site import notices
from llmsynthor_site.languages.saying import said
from llmsynthor_site.models import User
from tests import request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


def entered(user: User, language: str = "") -> Client:
    User.objects.filter(pk=user.pk).update(language=language)
    client = Client()
    client.force_login(user)
    return client


def test_the_page_after_the_choice_is_german_and_signing_in_too(site: Any) -> None:
    user = User.objects.create_user("ute")
    client = entered(user)
    english = client.get("/settings/")
    assert english.headers["Content-Language"] == "en-gb"
    assert '<html lang="en"' in english.content.decode()
    client.post("/settings/", {"language": "de", "time_zone": "", "theme": ""})
    german = client.get("/settings/")
    assert '<html lang="de"' in german.content.decode()
    assert german.headers["Content-Language"] == "de"
    assert {"Accept-Language", "Cookie"} <= {name.strip() for name in german.headers["Vary"].split(",")}
    stranger = Client()
    stranger.cookies["language"] = client.cookies["language"].value
    assert '<html lang="de"' in stranger.get("/sign-in/", follow=True).content.decode()


def test_who_never_chose_reads_what_the_browser_asks_for(site: Any) -> None:
    asked = Client(headers={"accept-language": "de-CH,de;q=0.9"})
    assert '<html lang="de"' in asked.get("/sign-in/", follow=True).content.decode()
    other = Client(headers={"accept-language": "fr"})
    assert '<html lang="en"' in other.get("/sign-in/", follow=True).content.decode()


def test_programs_read_english(site: Any) -> None:
    client = entered(User.objects.create_user("ute"), "de")
    refused = [client.post("/api/v1/tokens/", {}, headers={"accept-language": code}) for code in ("de", "en")]
    assert refused[0].status_code >= 400
    assert refused[0].json() == refused[1].json()
    assert "Content-Language" not in refused[0].headers


def test_figures_for_reading_are_german_and_drawings_are_not() -> None:
    drawn = Template('{% load site_tags %}<rect x="{{ x|floatformat:2 }}" y="{{ x }}"/>{{ x|plain }} {{ n|grouped }}')
    with translation.override("de"):
        assert drawn.render(Context({"x": 0.5, "n": 12345})) == '<rect x="0.50" y="0.5"/>0,5 12.345'
    assert drawn.render(Context({"x": 0.5, "n": 12345})) == '<rect x="0.50" y="0.5"/>0.5 12,345'


def test_a_text_with_values_is_said_by_its_pattern_and_others_stay() -> None:
    with translation.override("de"):
        assert said("Your request REQ-1 failed.") not in {"", "Your request REQ-1 failed."}
        assert "REQ-1" in said("Your request REQ-1 failed.")
        assert said("A title that somebody wrote") == "A title that somebody wrote"
    assert said("Your request REQ-1 failed.") == "Your request REQ-1 failed."


def test_mail_is_in_the_language_of_whoever_it_is_for(settings: Any) -> None:
    settings.NOTICES_BY_MAIL = True
    small = request_site.make()
    User.objects.filter(pk=small.stella.pk).update(language="de")
    request = small.submitted()
    notices.deliver()
    to = {letter.to[0]: letter.subject for letter in mail.outbox}
    english = f"LLMSynthor: Request {request.reference} waits for decisions at gate A: may it be measured?"
    assert to[small.stefan.email] == english
    assert to[small.stella.email] != english
    assert request.reference in to[small.stella.email]
