"""A site's files are its own account's alone, and a browser's upload leaves nothing in the clear."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from llmsynthor_site.uploads import SealedUpload
from synthesis.models import Endpoint
from tests import privacy_site, request_site

ROOT = Path(__file__).resolve().parents[2]


def start(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "SITE_DIR": str(folder), **changes}
    command = [sys.executable, "manage.py", "check"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_nobody_else_can_read_a_sites_folder(tmp_path: Path) -> None:
    assert start(tmp_path / "site").returncode == 0
    found = [tmp_path / "site", *(tmp_path / "site").rglob("*")]
    assert len(found) > 3
    assert [path for path in found if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"PRODUCTION": "1", "DEBUG": "1", "SECRET_KEY": "x" * 60}, "neither DEBUG nor DEMO"),
        ({"PRODUCTION": "1", "DEMO": "1", "SECRET_KEY": "x" * 60}, "neither DEBUG nor DEMO"),
        ({"PRODUCTION": "1"}, "SECRET_KEY must be set"),
        ({"JOB_LEASE_SECONDS": "100"}, "JOB_LEASE_SECONDS"),
    ],
)
def test_a_site_does_not_start_unsafely(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    result = start(tmp_path / "site", **changes)
    assert result.returncode != 0
    assert told in result.stderr


@pytest.mark.django_db(databases=["default", "log"], transaction=True)
def test_an_upload_leaves_no_file_in_the_inbox(client: Client) -> None:
    privacy_site.make_keys()
    client.force_login(privacy_site.person("olivia", "owner"))
    files = {
        "declaration": SimpleUploadedFile("d.json", privacy_site.declaration().encode()),
        "file": SimpleUploadedFile("t.csv", request_site.table(50_000)),
    }
    assert client.post("/datasets/new/", {"title": "", **files}).status_code == 302
    assert list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir()) == []


def test_an_upload_that_says_it_is_too_large_is_refused_before_it_is_read() -> None:
    handler = SealedUpload()
    handler.handle_raw_input(None, {}, 1000, b"x")  # says nothing and lets it come
    with pytest.raises(RequestDataTooBig, match="larger than"):
        handler.handle_raw_input(None, {}, settings.LIMITS["upload_bytes"] * 2, b"x")


@pytest.mark.django_db(databases=["default", "log"])
def test_the_console_adds_an_endpoint_once() -> None:
    call_command("add_endpoint", "house", "http://localhost:8000/v1", "m-1", "--local")
    assert Endpoint.objects.get().is_local
    with pytest.raises(CommandError, match="already exists"):
        call_command("add_endpoint", "house", "http://localhost:8000/v1", "m-1")
    with pytest.raises(CommandError, match="valid URL"):
        call_command("add_endpoint", "other", "not an address", "m-1")
