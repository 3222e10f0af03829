"""What every test stands on: a site folder of its own (tests/append_only.py) and a broker that leaves no files."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("site", deadline=None)  # a busy machine is not a broken promise
settings.load_profile("site")

FIELD_LIMIT = csv.field_size_limit()

pytest_plugins = ["tests.append_only", "tests.sizes"]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release would show itself only after many seconds; the tests of the tick bring a clock of their own."""
    monkeypatch.setattr("privacy.pacing.Tick.wait", lambda tick, beat: beat())


@pytest.fixture(autouse=True)
def _no_pauses_between_tries() -> Iterator[None]:
    """Tests of failing endpoints do not wait; the test of the pause brings settings of its own."""
    from django.conf import settings as site

    before, site.CALL_RETRY_SECONDS = site.CALL_RETRY_SECONDS, 0.0
    yield
    site.CALL_RETRY_SECONDS = before


@pytest.fixture(autouse=True)
def _no_second_factor() -> Iterator[None]:
    """People of the tests go straight to work; the tests of signing in ask for it themselves."""
    from django.conf import settings as site

    before, site.SECOND_FACTOR_ROLES = site.SECOND_FACTOR_ROLES, []
    yield
    site.SECOND_FACTOR_ROLES = before


@pytest.fixture(scope="session", autouse=True)
def _counts_in_memory() -> Iterator[None]:
    """Failed sign-ins of one run of the tests count for no other."""
    from django.test import override_settings

    with override_settings(CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}):
        yield


@pytest.fixture(autouse=True)
def _counts_of_its_own() -> Iterator[None]:
    """What was counted of one test's people says nothing of the next test's, whose numbers are the same."""
    from django.core.cache import cache

    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _own_field_limit() -> Iterator[None]:
    """Reading a table sets a limit of the whole process, which is a process of its own but in tests.

    What was before a test is not asked: a module's fixture may have read a table by then.
    """
    yield
    csv.field_size_limit(FIELD_LIMIT)


@pytest.fixture(scope="session", autouse=True)
def _broker_in_memory() -> None:
    """Tests call the tasks' functions themselves; a kick must not reach a worker of this machine's own site."""
    from llmsynthor_site.celery import app

    app.conf.update(broker_url="memory://")
