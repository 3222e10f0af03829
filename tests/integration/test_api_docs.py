"""The examples of docs/api.md run as they are printed; and the reference page runs the site's own scripts alone."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from llmsynthor_site import tokens
from synthesis.models import SynthesisRequest
from tests import request_site
from tests.api_site import Caller

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_run_as_printed(live_server: Any, tmp_path: Path) -> None:
    small = request_site.make()
    token = tokens.make(by=small.rosa, name="docs", scopes=["read", "request"], days=1)[1]
    known = {"SITE": live_server.url, "TOKEN": token, "DATASET": str(small.dataset.pk)}
    script = "set -eu\n" + "\n".join(blocks("sh"))
    assert len(blocks("sh")) == 6
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=os.environ | known, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-600:] + done.stderr
    request = SynthesisRequest.objects.get()
    assert (request.state, request.rows) == ("submitted", 200)


def test_the_check_of_a_signature_is_the_one_that_is_made() -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[0], names)
    signed = hmac.new(b"s", b"100.body", hashlib.sha256).hexdigest()
    headers = {"Webhook-Timestamp": "100", "Webhook-Signature": f"v1={signed}"}
    assert names["believed"]("s", headers, b"body", 130.0)
    assert not names["believed"]("s", headers, b"other", 130.0)
    assert not names["believed"]("s", headers, b"body", 1000.0)


def test_the_reference_page_brings_no_inline_code() -> None:
    small = request_site.make()
    shown = Caller(small.rosa).get("docs/")
    page = shown.content.decode()
    assert "script-src 'self'" in shown["Content-Security-Policy"]
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>\s*\S", page) == []
    assert re.findall(r"<style|\sstyle=", page) == []
    assert "unsafe-inline" not in shown["Content-Security-Policy"]
    assert "http://" not in page.replace("http://testserver", "").replace("http://www.w3.org", "")
