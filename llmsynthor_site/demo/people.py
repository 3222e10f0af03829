"""The people of a demonstration site, one per role and a second steward."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from llmsynthor_site import services
from llmsynthor_site.models import User

PEOPLE = (
    ("olivia", "Olivia Owner", "owner"),
    ("stella", "Stella Steward", "steward"),
    ("stefan", "Stefan Steward", "steward"),
    ("rosa", "Rosa Researcher", "researcher"),
    ("amir", "Amir Auditor", "auditor"),
    ("ada", "Ada Admin", "admin"),
)


@dataclass(frozen=True)
class People:
    """Everyone by user name, and the password they share on this demonstration site alone."""

    by_name: dict[str, User]
    password: str

    def __getitem__(self, name: str) -> User:
        return self.by_name[name]


def invite() -> People:
    password = "-".join(secrets.token_hex(2) for _ in range(4))
    by_name = {}
    for username, full_name, role in PEOPLE:
        first, last = full_name.split()
        by_name[username] = services.add_person(
            by=None, username=username, password=password, roles=[role], first_name=first, last_name=last,
            email=f"{username}@example.org",
        )  # fmt: skip
    return People(by_name, password)
