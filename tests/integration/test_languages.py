"""In which language somebody reads, and what stays English whoever reads it."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.template import Context, Template
from django.test import Client
from django.utils import translation

from audit import documents, events
from audit.leaves import Leaf
from audit.models import LogEntry
from llmsynthor_site import notices
from llmsynthor_site.catalogue import building
from llmsynthor_site.languages.saying import said
from llmsynthor_site.models import User
from synthesis import policies
from synthesis.report import page
from synthesis.states import Gate
from tests import report_sample, request_site

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


def walk(small: request_site.Site) -> list[tuple[User, str]]:
    """Pages of every role, some of them of a request that waits at gate A."""
    ds, person, request = small.dataset.get_absolute_url(), small.rosa.get_absolute_url(), small.submitted()
    parts = ("", "history/", "cap/", "one-steward/", "audience/", "upload/")
    return [
        *((one, "/") for one in (small.owner, small.stella, small.rosa, small.amir, small.ada)),
        *((small.rosa, f"/{at}/") for at in ("help", "settings", "settings/tokens", "notices", "requests", "datasets")),
        *((small.owner, f"{ds}{part}") for part in parts),
        *((small.owner, f"/{at}/") for at in ("datasets/new", "datasets/drafts", "caps")),
        *((small.ada, address) for address in ("/people/", person, "/people/new/", "/machines/")),
        *(
            (small.rosa, address)
            for address in (request.get_absolute_url(), f"/requests/new/?dataset={small.dataset.pk}")
        ),
        (small.stella, f"{request.get_absolute_url()}gate/measure/"),
        *((small.amir, f"/{at}/") for at in ("log", "desk", "desk/ledger", "desk/duties")),
    ]


def english_sentences() -> list[str]:
    """Texts of the catalogue that are sentences, without values, and are other words in German."""
    whole = (one for one in building.kept("de") if isinstance(one.id, str) and len(one.id) > 25)
    return [str(one.id) for one in whole if one.string != one.id and not re.search(r"%\(|\{\d|<", str(one.id))]


def test_no_page_is_half_in_english(site: Any) -> None:
    small, english = request_site.make(), english_sentences()
    wrong: list[str] = []
    for user, address in walk(small):
        answer = entered(user, "de").get(address)
        shown = unescape(answer.content.decode())
        wrong += [f"{address}: {answer.status_code}"] if answer.status_code != 200 else []
        wrong += [f"{address}: {text}" for text in english if text in shown]
    assert not wrong, "\n".join(wrong)


def test_the_catalogue_is_complete_and_its_check_finds_what_is_not(tmp_path: Path, settings: Any) -> None:
    assert building.problems("de") == []
    folder = building.folder("de")
    whole, compiled = (folder / "django.po").read_text(), (folder / "django.mo").read_bytes()
    settings.LOCALE_PATHS = [tmp_path]
    building.folder("de").mkdir(parents=True)
    broken = whole.replace('msgstr "Datensätze"', 'msgstr ""').replace("Ihr Antrag {0} ist gescheitert.", "Ihr Antrag.")
    (building.folder("de") / "django.po").write_text(f'{broken}\n#, fuzzy\nmsgid "x"\nmsgstr "y"\n')
    (building.folder("de") / "django.mo").write_bytes(compiled)
    found = "\n".join(building.problems("de"))
    assert "not translated: 'Datasets'" in found
    assert "values or marks differ: 'Your request {0} failed.'" in found
    assert "fuzzy" in found
    assert "django.mo is not what django.po compiles to" in found


OF_ONE_REQUEST = {"request", "content_hash", "decision_hash", "voter"}  # its id, hashes over it, and who voted


def test_a_vote_in_german_is_logged_as_one_in_english(site: Any) -> None:
    """Two stewards approve two equal requests through the pages, one in each language: the same facts are logged."""
    small = request_site.make()
    logged = []
    for user, language in ((small.stella, "de"), (small.stefan, "")):
        request = small.submitted()
        client, address = entered(user, language), f"{request.get_absolute_url()}gate/measure/"
        seen = policies.content_hash(request, Gate.MEASURE)
        given = {"decision": "approve", "seen": seen, "comment": "So."}
        assert client.post(f"{address}decide/", given).status_code == 302
        events.flush()
        entry = LogEntry.objects.filter(action__contains="vote").latest("index")
        facts = Leaf.from_bytes(bytes(entry.leaf)).facts
        logged.append((entry.action, {name: facts[name] for name in facts if name not in OF_ONE_REQUEST}))
    assert logged[0] == logged[1]


def test_documents_have_the_same_bytes_in_every_language() -> None:
    report, facts = report_sample.report(4), report_sample.EVERY_PANEL
    english = page.page(report, facts)
    words = {"facts": facts, "report": report, "key": None, "checked": ()}
    guarantee = documents.written("package/guarantee.txt", words)
    with translation.override("de"):
        assert page.page(report, facts) == english
        assert documents.written("package/guarantee.txt", words) == guarantee
