"""A real browser in front of a live server. Without Chromium these tests are skipped, and where CI is set they fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from llmsynthor_site.models import User
from llmsynthor_site.roles import roles_of
from tests import request_site
from tests.functional.looking import Watch

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

PASSWORD = "correct-horse-battery-staple"

# Playwright keeps an event loop in this thread, which Django would otherwise take for asynchronous code.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests share one live server's databases, so they run one after the other in one worker."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    if CHROMIUM is None:
        reason = "Chromium is not installed: the journeys in the browser were NOT tested"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return {"executable_path": CHROMIUM, "args": QUIET}


@pytest.fixture(scope="session")
def screenshots() -> Path:
    folder = Path(os.environ.get("SCREENSHOTS", "test-results"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def open_door(site: Path) -> Iterator[Any]:
    with request_site.open_door() as door:
        yield door


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What browsers complained about; a page that breaks the content security policy fails its test."""
    found = Watch()
    yield found
    assert not found.complaints, found.complaints


@pytest.fixture
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def give_password(username: str) -> None:
    """The people of the small site have neither name nor password; who signs in needs both."""
    user = User.objects.get(username=username)
    user.first_name, user.last_name = username.capitalize(), roles_of(user)[0].display_name.split()[-1].capitalize()
    user.set_password(PASSWORD)
    user.save()


SignIn = Callable[..., Page]


@pytest.fixture
def sign_in(browser: Browser, live_server: Any, watch: Watch, quick_passwords: None) -> Iterator[SignIn]:
    """Open a browser of one's own and sign in through the page, as one of the people of tests.request_site."""
    contexts: list[BrowserContext] = []

    def enter(username: str, **options: Any) -> Page:
        give_password(username)
        context = browser.new_context(base_url=live_server.url, **options)
        contexts.append(context)
        page = context.new_page()
        watch.over(page)
        page.goto("/sign-in/")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        return page

    yield enter
    for context in contexts:
        context.close()
