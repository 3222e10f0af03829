"""A small site for tests of requests: five people, one dataset, and a request brought to any state."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from django.conf import settings

from llmsynthor_site import joining
from llmsynthor_site.models import User
from privacy.models import Dataset
from synthesis import door, policies, running, services
from synthesis.models import SynthesisRequest, Vote
from synthesis.states import Decision, Gate, Proposer
from tests import privacy_site, remembered

WISH: dict[str, Any] = {
    "title": "Synthetic small",
    "purpose": "To teach.",
    "context": "Used in class, kept on school computers.",
    "rows": 300,
    "epsilon": Decimal(5),
    "delta": Decimal("1e-6"),
    "proposer": Proposer.EMBEDDED,
    "endpoint": None,
}


ROLES = {"stella": "steward", "stefan": "steward", "rosa": "researcher", "amir": "auditor", "ada": "admin"}
"""Who is there beside the owner."""


@dataclass
class Site:
    owner: User
    stella: User
    stefan: User
    rosa: User
    amir: User
    ada: User
    dataset: Dataset

    def request(self, **changes: Any) -> SynthesisRequest:
        return services.create_request(by=self.rosa, dataset=self.dataset, **{**WISH, **changes})

    def submitted(self, **changes: Any) -> SynthesisRequest:
        return services.submit(by=self.rosa, request=self.request(**changes))

    def vote(
        self, request: SynthesisRequest, by: User, gate: Gate = Gate.MEASURE, decision: Decision = Decision.APPROVE
    ) -> Vote:
        fresh = SynthesisRequest.objects.get(pk=request.pk)
        seen = policies.content_hash(fresh, gate)
        return services.vote(by=by, request=fresh, gate=gate, decision=decision, comment="So.", seen_hash=seen)

    def measured(self, **changes: Any) -> SynthesisRequest:
        """Through gate A, and measured by the worker's own function."""
        request = self.submitted(**changes)
        for steward in (self.stella, self.stefan):
            self.vote(request, steward)
        joining.measure(str(request.pk))
        return SynthesisRequest.objects.get(pk=request.pk)

    def synthesised(self, **changes: Any) -> SynthesisRequest:
        """Through gate B, and synthesised by the worker's own function."""
        request = self.measured(**changes)
        for steward in (self.stella, self.stefan)[: policies.votes_needed(request, Gate.EGRESS)]:
            self.vote(request, steward, Gate.EGRESS)
        running.synthesise(str(request.pk))
        return SynthesisRequest.objects.get(pk=request.pk)

    def released(self, **changes: Any) -> SynthesisRequest:
        request = self.synthesised(**changes)
        for steward in (self.stella, self.stefan):
            self.vote(request, steward, Gate.OUTPUT)
        return SynthesisRequest.objects.get(pk=request.pk)


def make() -> Site:
    """Made once in a process: sealing the file takes a process of its own."""
    remembered.once("request_site", _made)
    people = {name: User.objects.get(username=name) for name in ROLES}
    return Site(owner=User.objects.get(username="olivia"), dataset=Dataset.objects.get(), **people)


def _made() -> None:
    privacy_site.make_keys()
    peopled(privacy_site.person("olivia", "owner"))


def peopled(owner: User, rows: int = 2000) -> Site:
    """This owner's site, with everybody else and a dataset of so many rows."""
    people = {name: privacy_site.person(name, role) for name, role in ROLES.items()}
    return Site(owner=owner, dataset=privacy_site.dataset(owner, content=table(rows)), **people)


def fresh(request: SynthesisRequest) -> SynthesisRequest:
    """The request as it is stored now."""
    return SynthesisRequest.objects.get(pk=request.pk)


def table(rows: int = 2000) -> bytes:
    """Pay follows from sex, so that whoever knows the columns alone is far off and must be told."""
    lines = [f"{'fm'[i % 2]},{(i * 13) % 100},{(5, 80)[i % 2]}" for i in range(rows)]
    return ("sex,age,pay\n" + "\n".join(lines) + "\n").encode()


@contextmanager
def open_door() -> Iterator[door.Door]:
    """The door's own server on its real socket, in a thread of this process so that it shares the test's data."""
    settings.DOOR_SOCKET = settings.SITE_DIR / "door.sock"
    server = door.serve(settings.DOOR_SOCKET)
    threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
