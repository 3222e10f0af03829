"""A small site for tests of the privacy room: people with roles, vault keys, a declared table and its file."""

from __future__ import annotations

import io
import json
from typing import Any

from django.core.management import call_command

from llmsynthor_site import services as people
from llmsynthor_site.models import User
from privacy import services
from privacy.models import Dataset

FIELDS: list[dict[str, Any]] = [
    {"name": "sex", "type": "string", "categories": ["f", "m"], "constraints": {"required": True}},
    {"name": "age", "type": "integer", "constraints": {"minimum": 0, "maximum": 99}, "bins": {"equalWidth": 10}},
    {
        "name": "pay",
        "type": "number",
        "constraints": {"minimum": 0, "maximum": 100, "required": True},
        "bins": {"cutPoints": [10, 50]},
    },
]


def declared(**changes: Any) -> dict[str, Any]:
    """A declaration of three columns; pass None to leave a key out."""
    values = {
        "title": "Small",
        "population": "people of the tests",
        "privacyUnit": {"kind": "row", "means": "one person"},
        "cap": {"rho": "2", "delta": "1e-6"},
        "purposes": ["testing"],
        "fields": FIELDS,
    } | changes
    return {key: value for key, value in values.items() if value is not None}


def declaration(**changes: Any) -> str:
    return json.dumps(declared(**changes))


def table(rows: int = 400) -> bytes:
    """A file that fits the declaration."""
    lines = ["sex,age,pay"]
    lines += [f"{'fm'[i % 2]},{'' if i % 50 == 0 else i % 100},{(i * 7) % 101}" for i in range(rows)]
    return ("\n".join(lines) + "\n").encode()


def person(username: str, *roles: str) -> User:
    """Somebody with roles, who cannot sign in (hashing a password takes longer than most tests)."""
    user = User.objects.create(username=username, email=f"{username}@example.org")
    for role in roles:
        people.grant_role(by=None, user=user, role=role)
    user.refresh_from_db()
    return user


def make_keys() -> None:
    call_command("make_vault_keys", verbosity=0, stdout=io.StringIO())


def dataset(owner: User, *, content: bytes | None = None, **changes: Any) -> Dataset:
    """Registered, with one accepted file."""
    found = services.register_dataset(by=owner, declaration=declaration(**changes))
    services.receive_upload(by=owner, dataset=found, stream=io.BytesIO(content or table()), filename="t.csv")
    return found
