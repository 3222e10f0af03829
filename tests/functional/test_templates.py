"""What the content security policy would block is never written, and what the pages load is the site's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from synthesis.states import RequestState
from tests import request_site

# Files that are read offline bring their own policy, their style inside them, and no script.
FOLDER = Path(settings.BASE_DIR, "templates")
OFFLINE = [FOLDER / name for name in ("evidence/index.html", "package/report.html", "package/catalogue.html")]
TEMPLATES = sorted(set(FOLDER.rglob("*.html")) - set(OFFLINE))
STATIC = Path(settings.BASE_DIR, "llmsynthor_site", "static")
INLINE = re.compile(
    r"<style|\sstyle=|<script(?![^>]*(?:\ssrc=|application/json))|\son[a-z]+=|javascript:|hx-on|hx-vals=.js:",
    re.IGNORECASE,
)


@pytest.mark.parametrize("text", ['<p style="x">', "<style>", "<script>x</script>", '<a onclick="x">'])
def test_inline_code_would_be_found(text: str) -> None:
    assert INLINE.search(text)


def test_no_template_holds_inline_code() -> None:
    assert len(TEMPLATES) > 30
    assert [path.name for path in TEMPLATES if INLINE.search(path.read_text())] == []


@pytest.mark.parametrize("page", OFFLINE, ids=lambda page: page.name)
def test_an_offline_page_holds_no_script(page: Path) -> None:
    assert set(INLINE.findall(page.read_text())) == {"<style"}
    assert "default-src 'none'" in page.read_text()


def test_nothing_is_loaded_from_elsewhere() -> None:
    """No address of another site in a template, style sheet or script: the appliance works without a network."""
    outside = re.compile(r"(?:src|href|action)=[\"']?(?:https?:)?//|url\([\"']?(?:https?:)?//|@import")
    files = [*TEMPLATES, *OFFLINE, *STATIC.rglob("*.css"), *STATIC.rglob("*.js")]
    assert [path.name for path in files if outside.search(path.read_text())] == []


@pytest.mark.django_db(databases=["default", "log"])
def test_the_policy_allows_nothing_inline(client: Client) -> None:
    policy = client.get("/sign-in/")["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


@pytest.mark.django_db(databases=["default", "log"])
def test_trouble_of_a_worker_is_told_to_reviewers_alone(client: Client) -> None:
    site = request_site.make()
    request = site.submitted()
    type(request).objects.filter(pk=request.pk).update(state=RequestState.FAILED, note="the synthesis failed (Odd)")
    client.force_login(site.rosa)
    assert "Odd" not in client.get(request.get_absolute_url()).content.decode()
    client.force_login(site.stella)
    assert "Odd" in client.get(request.get_absolute_url()).content.decode()
