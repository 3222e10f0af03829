"""The schema in docs/openapi.yaml: calls made up from it, by every role, find no fault of the site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from django.conf import settings as conf
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error

from tests import request_site
from tests.api_site import EVERY, Caller

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
EXAMPLES = 2
ROLES = ("owner", "stella", "rosa", "amir", "ada")


def test_calls_made_up_from_the_schema_find_no_fault(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a program of each role in turn; ids are those of things that are there, so that calls get somewhere."""
    monkeypatch.setattr(conf, "API_RATES", dict.fromkeys(conf.API_RATES, "100000/min"))
    cache.clear()
    small = request_site.make()
    drafted, submitted = small.request(), small.submitted()
    known = [str(drafted.pk), str(submitted.pk), str(small.dataset.pk)]
    app = schemathesis.openapi.from_wsgi("/schema", serving(get_wsgi_application()))
    callers = [Caller(getattr(small, name), *EVERY) for name in ROLES]
    operations = [found.ok() for found in app.get_all_operations()]
    tried = sum([try_out(one, callers, known, at) for at, one in enumerate(operations)])
    assert tried > 120


def serving(site: Any) -> Any:
    """The site, with its schema as a file at an address of its own."""
    text = SCHEMA.read_bytes()

    def answer(environ: dict[str, Any], start: Any) -> Any:
        if environ["PATH_INFO"] == "/schema":
            start("200 OK", [("Content-Type", "application/yaml")])
            return [text]
        environ["SERVER_NAME"] = environ["HTTP_HOST"] = "testserver"
        return site(environ, start)

    return answer


def try_out(operation: Any, callers: list[Caller], known: list[str], at: int) -> int:
    tried = 0

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate], derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def each(case: Any) -> None:
        nonlocal tried
        caller = callers[(at + tried) % len(callers)]
        for name, value in dict(case.path_parameters or {}).items():
            if name == "pk" and "-" in str(value):
                case.path_parameters[name] = known[tried % len(known)]
        answer = case.call(headers={"Authorization": f"Bearer {caller.token}"})
        case.validate_response(answer, checks=[not_a_server_error])
        tried += 1

    given(case=operation.as_strategy())(each)()
    return tried


def test_the_schema_says_how_refusals_read_and_who_may_ask() -> None:
    schema = yaml.safe_load(SCHEMA.read_text())
    assert {"token", "cookieAuth"} <= schema["components"]["securitySchemes"].keys()
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert "4XX" in operation["responses"], (path, method)
            assert operation["security"], (path, method)
            assert operation.get("description"), (path, method)
