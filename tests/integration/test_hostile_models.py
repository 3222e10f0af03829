"""However a model answers, the run ends well: a table comes out, within the approved calls, and nothing is followed.

Every kind of bad answer goes the whole way: gateway, the door over its socket, HTTP, the parser, the loop.
"""

from __future__ import annotations

import re
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import httpx2
import openai
import pytest
from django.conf import settings

from audit import prompts
from audit.models import PromptRecord
from privacy import selectors as statistics
from synthesis import envelope, jobs, running
from synthesis.llm import answers
from synthesis.llm.openai_provider import OpenAIProvider
from synthesis.loop import LoopSettings
from synthesis.models import CallReservation, Endpoint, Run, SynthesisRequest, Vote
from synthesis.states import Gate, JobKind, Proposer
from synthesis.states import RequestState as S
from tests import request_site
from tests.fakes import faults, plain
from tests.fakes.behaviours import BAD
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.protocol import Behaviour
from tests.request_site import Site, open_door
from tests.sizes import Note, Repeats

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
SMALL = LoopSettings(pool_size=300, sweeps=2, settle_sweeps=1, refinement_passes=0)
STEPS, MOST_ATTEMPTS = 2, 3
SECRETS = ("sk-secret", "out of order", "slow down", "upstream", "quota", "does not exist", "sign in")
"""What the stand-in's errors and pages say, which no page or event of ours may repeat."""


@dataclass
class Trial:
    """One measured request, run again and again against a server whose behaviour changes."""

    house: Site
    request: SynthesisRequest
    server: OpenAIServer
    elsewhere: OpenAIServer

    def run(self, behaviour: Behaviour, *, seed: int) -> list[str]:
        """What went wrong with one run against this behaviour; nothing, if all is well."""
        self._start_over(seed)
        self.server.behaviour = behaviour
        self.server.bodies.clear()
        before = statistics.budget(self.house.dataset.population_id)
        running.synthesise(str(self.request.pk))
        rules = {
            "the privacy budget moved": statistics.budget(self.house.dataset.population_id) == before,
            **self._ended_well(), **self._bounded(), **self._followed_nothing(),
        }  # fmt: skip
        return [broken for broken, holds in rules.items() if not holds]

    def _start_over(self, seed: int) -> None:
        for run in Run.objects.filter(request=self.request):
            if hasattr(run, "package"):
                run.package.delete()
            CallReservation.objects.filter(run=run).delete()
            run.delete()
        SynthesisRequest.objects.filter(pk=self.request.pk).update(state=S.SYNTHESISING, seed=seed)
        Run.objects.create(request=self.request, settings={**asdict(SMALL), "rules": []})
        jobs.enqueue(self.request, JobKind.SYNTHESISE)

    def _ended_well(self) -> dict[str, bool]:
        self.request = SynthesisRequest.objects.get(pk=self.request.pk)
        run = Run.objects.get(request=self.request)
        return {
            "the run did not come to its table": self.request.state == S.CHECKING and hasattr(run, "package"),
            "a prompt was left open": not prompts.open_prompts().exists(),
            "an iteration does not say how its answer went": all(
                event.data["note"] for event in run.events.filter(kind="iteration")
            ),
        }

    def _bounded(self) -> dict[str, bool]:
        """What left, by the log's records and by the server's own count."""
        run = Run.objects.get(request=self.request)
        made = PromptRecord.objects.filter(run=str(run.pk))
        made = made.filter(endpoint="stand-in")  # where the embedded proposer took over, nothing left
        attempts = Counter(made.values_list("sequence", flat=True))
        return {
            "more was sent than was recorded": len(self.server.bodies) <= made.count(),
            "a step took more attempts than approved": max(attempts.values(), default=0) <= MOST_ATTEMPTS,
            "the run made more calls than approved": made.count() <= STEPS * MOST_ATTEMPTS,
            "nobody was asked": made.exists(),
        }

    def _followed_nothing(self) -> dict[str, bool]:
        run = Run.objects.get(request=self.request)
        told = repr([event.data for event in run.events.all()]) + self.request.note + repr(list(
            PromptRecord.objects.filter(run=str(run.pk)).values_list("error", flat=True)
        ))  # fmt: skip
        return {
            "another address was visited": not self.elsewhere.bodies and not self.elsewhere.gets,
            "a gate was passed": not Vote.objects.filter(gate=Gate.OUTPUT).exists(),
            "an error was quoted": not any(secret in told for secret in SECRETS),
            "invisible characters came through": not re.search("[\u200b-\u200f\u202a-\u202e]", told),
            "the number of rows changed": self.request.rows == request_site.WISH["rows"],
        }


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    monkeypatch.setattr(envelope, "MAX_ITERATIONS", STEPS)
    monkeypatch.setattr(settings, "DOOR_LEASE_SECONDS", 6)  # so a call may take one second
    house = request_site.make()
    with OpenAIServer() as server, OpenAIServer() as elsewhere, open_door():
        endpoint = Endpoint.objects.create(name="stand-in", base_url=server.base_url, model="m", is_local=True)
        request = house.measured(proposer=Proposer.OPENAI, endpoint=endpoint)
        house.vote(request, house.stella, gate=Gate.EGRESS)
        yield Trial(house, request, server, elsewhere)


def kinds(elsewhere: OpenAIServer) -> dict[str, Behaviour]:
    """Every bad behaviour; those that name an address name one that would notice a visit."""
    return BAD | {
        "giving-orders": plain.giving_orders(elsewhere.base_url),
        "redirecting": faults.redirecting(f"{elsewhere.base_url}/chat/completions"),
    }


@pytest.mark.long_sizes
def test_however_a_model_answers_the_run_ends_well(trial: Trial, repeats: Repeats, is_long: bool, note: Note) -> None:
    bad, runs = list(kinds(trial.elsewhere).items()), 0
    for number in repeats(150) if is_long else range(len(bad)):
        name, behaviour = bad[number % len(bad)]
        assert trial.run(behaviour, seed=number) == [], name
        runs += 1
    note("D5", "hostile model, the whole path", f"{runs} runs, {len(bad)} kinds of bad answer",
         "every run ended with its table", "calls within the cap, at most 3 attempts a step")  # fmt: skip


@pytest.mark.long_sizes
@pytest.mark.parametrize("defect", ["the client retries by itself", "attempts have no bound", "an answer is followed"])
def test_a_planted_defect_is_caught(trial: Trial, defect: str, monkeypatch: pytest.MonkeyPatch, note: Note) -> None:
    behaviour = plant(defect, trial, monkeypatch)
    caught = trial.run(behaviour, seed=0)
    assert caught
    note("D5", f"control: {defect}", "1 run", f"caught: {caught[0]}", "caught")


def plant(defect: str, trial: Trial, monkeypatch: pytest.MonkeyPatch) -> Behaviour:
    """Break one of the walls; the behaviour that should find the hole."""
    if defect == "the client retries by itself":
        honest = OpenAIProvider.__init__

        def eager(provider: OpenAIProvider, **values: Any) -> None:
            honest(provider, **values)
            unbounded = httpx2.Client(trust_env=False)  # the wire would let the first request out and no second
            provider.client = openai.OpenAI(
                base_url=values["base_url"], api_key="none", max_retries=1, http_client=unbounded
            )

        monkeypatch.setattr(OpenAIProvider, "__init__", eager)
        return faults.broken
    if defect == "attempts have no bound":
        trial.request.manifest.body["caps"] = {"calls": 100, "attempts_per_step": 9}
        trial.request.manifest.save()
        return faults.broken
    parse = answers.parse_completion

    def obedient(body: bytes, *known: Any) -> Any:
        if (found := re.search(rb"http://[0-9.:]+/v1", body)) is not None:
            urllib.request.urlopen(found[0].decode() + "/models")
        return parse(body, *known)

    monkeypatch.setattr(answers, "parse_completion", obedient)
    return plain.giving_orders(trial.elsewhere.base_url)
