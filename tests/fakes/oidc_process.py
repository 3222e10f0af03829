"""The stand-in of a sign-in provider as a process of its own, and the settings that make a site know it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llmsynthor_site.sign_in_settings import provider
from tests.fakes.oidc_provider import CLIENT, SECRET

NINA = {
    "sub": "7f3", "preferred_username": "nina", "given_name": "Nina", "family_name": "Nurse",
    "email": "nina@hospital.example", "groups": ["data-stewards", "staff"],
}  # fmt: skip


@contextmanager
def running(**claims: Any) -> Iterator[str]:
    """The address of a provider at which Nina is signed in, with other claims where ``claims`` says so."""
    told = json.dumps({**NINA, **claims})
    command = [sys.executable, "-m", "tests.fakes.oidc_provider", "0", told]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://localhost:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def known(address: str) -> dict[str, Any]:
    """SOCIALACCOUNT_PROVIDERS for that address, as OIDC_PROVIDERS of the environment would make it."""
    given = {"name": "Hospital", "server_url": address, "client_id": CLIENT}
    app = provider("hospital", given | {"roles": {"data-stewards": "steward", "board": "king"}})
    return {"openid_connect": {"APPS": [app | {"secret": SECRET}], "OAUTH_PKCE_ENABLED": True}}
