"""What tests of language models have in common: an endpoint on the list, probed or not, and how its runs ended."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from audit import verify
from audit.export import export
from audit.models import PromptRecord
from privacy import selectors as statistics
from synthesis import probing, reconciling, services
from synthesis.models import Endpoint, SynthesisRequest
from synthesis.states import Proposer
from synthesis.states import RequestState as S
from tests.fakes.endpoints import Kind
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.protocol import models
from tests.request_site import Site

TOOK_OVER = "the embedded proposer took over"


def listed(server: OpenAIServer) -> Endpoint:
    return services.add_endpoint(by="console", name="stand-in", base_url=server.base_url, model="m-1", is_local=True)


def probed(server: OpenAIServer, kind: Kind, **told: Any) -> Endpoint:
    server.behaviour, server.models = kind, models("m-1", **told)
    endpoint = listed(server)
    probing.carry_out(str(probing.ask_for(endpoint, by="console").pk))
    server.bodies.clear()
    return endpoint


def asked(house: Site, endpoint: Endpoint, **wish: Any) -> SynthesisRequest:
    return house.synthesised(proposer=Proposer.OPENAI, endpoint=endpoint, **wish)


def notes(request: SynthesisRequest) -> list[str]:
    return [event.data["note"] for event in request.run.events.filter(kind="iteration")]


def by_step(request: SynthesisRequest) -> dict[int, Counter[str]]:
    """Attempts of every step, by whom they went to."""
    found: dict[int, Counter[str]] = {}
    for row in PromptRecord.objects.filter(run=str(request.run.pk)):
        found.setdefault(row.sequence, Counter())[row.endpoint] += 1
    return found


def whole(request: SynthesisRequest, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ended with its table; log, door and replay agree; nothing more was charged than the release."""
    from audit import keys

    assert request.state == S.CHECKING
    budget = statistics.budget(request.dataset.population_id)
    assert (budget.spent, budget.reserved) == (request.rho, 0)
    assert reconciling.compare().mismatches == ()
    export(folder / "export", by="console", reason="a test")
    assert verify.verify(folder / "export", key=str(keys.public()), checkpoints=[]).findings == []
    assert replayed(request, capsys)["verdict"] == "equal"


def replayed(request: SynthesisRequest, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    with pytest.raises(SystemExit):
        call_command("replay_prompts", str(request.pk), "--json")
    return dict(json.loads(capsys.readouterr().out))
