"""Whoever decides at gate C reads the very file that is packed; a changed one is not shown, and it can do nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from synthesis import packaging
from tests import request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


def test_the_report_is_the_packed_file_under_a_policy_of_its_own(site: Any) -> None:
    small = request_site.make()
    with request_site.open_door():
        request = small.synthesised()
    client, path = Client(), packaging.package_folder(str(request.run.package.pk)) / "report.html"
    client.force_login(small.stella)
    assert b"The whole report" in client.get(f"/requests/{request.pk}/gate/output/").content
    shown = client.get(f"/requests/{request.pk}/report/")
    assert shown.content == path.read_bytes()
    assert set(shown.headers["Content-Security-Policy"].split("; ")) == {
        "default-src 'none'", "style-src 'unsafe-inline'", "frame-ancestors 'none'", "sandbox",
    }  # fmt: skip
    client.force_login(small.rosa)
    assert client.get(f"/requests/{request.pk}/report/").status_code == 403
    path.write_bytes(path.read_bytes() + b" ")
    client.force_login(small.stella)
    assert client.get(f"/requests/{request.pk}/report/").status_code == 404
    assert client.get(f"/requests/{small.submitted().pk}/report/").status_code == 404
