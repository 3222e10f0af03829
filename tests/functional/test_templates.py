"""What the content security policy would block is never written, and what the pages load is the site's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from synthesis.states import RequestState
from tests import request_site

# The page of an evidence pack is a file read offline: it brings its own policy, its style inside it, and no script.
OFFLINE = Path(settings.BASE_DIR, "templates", "evidence", "index.html")
TEMPLATES = sorted(set(Path(settings.BASE_DIR, "templates").rglob("*.html")) - {OFFLINE})
STATIC = Path(settings.BASE_DIR, "llmsynthor_site", "static")
INLINE = re.compile(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=|javascript:|hx-on|hx-vals=.js:", re.IGNORECASE)


@pytest.mark.parametrize("text", ['<p style="x">', "<style>", "<script>x</script>", '<a onclick="x">'])
def test_inline_code_would_be_found(text: str) -> None:
    assert INLINE.search(text)


def test_no_template_holds_inline_code() -> None:
    assert len(TEMPLATES) > 30
    assert [path.name for path in TEMPLATES if INLINE.search(path.read_text())] == []


def test_the_offline_page_holds_no_script() -> None:
    assert set(INLINE.findall(OFFLINE.read_text())) == {"<style"}
    assert "default-src 'none'" in OFFLINE.read_text()


def test_nothing_is_loaded_from_elsewhere() -> None:
    """No address of another site in a template, style sheet or script: the appliance works without a network."""
    outside = re.compile(r"(?:src|href|action)=[\"']?(?:https?:)?//|url\([\"']?(?:https?:)?//|@import")
    files = [*TEMPLATES, OFFLINE, *STATIC.rglob("*.css"), *STATIC.rglob("*.js")]
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
