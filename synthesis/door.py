"""The door: the one process with a network and the provider keys.

It is given an intent's number, never bytes. It reads the bytes recorded under that number, takes the
lease (which fsyncs a checkpoint of the log first), looks once more for a kill switch, counts the call in a file
of its own, sends exactly those bytes once, and records the outcome.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import socketserver
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import close_old_connections, connection, connections

from audit import fixed, prompts
from audit.errors import AuditError
from audit.models import PromptRecord
from synthesis import halts, probes, tally
from synthesis.llm.base import Completion, Provider, ProviderError
from synthesis.llm.embedded import EmbeddedProvider
from synthesis.models import EgressManifest, Endpoint, Probe, Run, SynthesisRequest
from synthesis.states import EMBEDDED

log = logging.getLogger(__name__)
CALLS_AT_ONCE = 16
OF_RUN = "SELECT {} FROM {} one JOIN synthesis_run run ON run.request_id = one.{} WHERE run.id = %s"
REQUEST = OF_RUN.format("one.id, one.dataset_id, one.state", "synthesis_synthesisrequest", "id")
MANIFEST = OF_RUN.format("one.id, one.body", "synthesis_egressmanifest", "request_id")


Reply = dict[str, str]
"""{"outcome": "answered" | "failed" | "refused", "reason": ...}; failed ones with what the endpoint told: "status",
"context", "wait"."""


class DoorClosed(Exception):
    """The door will not send this; the reason is safe to show."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Whose call it is: the one place it may go to, and what stands in its way, asked anew each time."""

    endpoint: str
    address: str
    stopped: Callable[[], str]


def errand_of(record: PromptRecord, body: bytes) -> Errand:
    """A run's call goes where a gate saw it go. A probe's goes to the address it was asked for, with fixed wording."""
    run = Run._meta.pk.get_db_prep_value(record.run, connection)
    request, manifest = fixed.one(SynthesisRequest, REQUEST, run), fixed.one(EgressManifest, MANIFEST, run)
    if request is None:
        return errand_of_probe(record, body)
    approved = manifest.body if manifest is not None else request.approved_to_leave
    return Errand(approved["endpoint"], approved["address"], lambda: halts.standing(request))


def errand_of_probe(record: PromptRecord, body: bytes) -> Errand:
    probe = Probe.objects.select_related("endpoint").filter(pk=record.run, finished_at=None).first()
    if probe is None:
        raise DoorClosed("the call belongs to no run and to no probe under way")
    if not probes.is_fixed(body, probe.model):
        raise DoorClosed("a probe asks in its fixed wording and nothing else")
    return Errand(probe.endpoint.name, probe.address, halts.standing_for_all)


def provider_for(record: PromptRecord, errand: Errand, body: bytes) -> Provider:
    """The provider behind an endpoint: on the list, switched on, and where the errand may go."""
    if record.endpoint == EMBEDDED:
        return EmbeddedProvider()
    known = fixed.one(Endpoint, "SELECT * FROM synthesis_endpoint WHERE enabled AND name = %s", record.endpoint)
    if known is None:
        raise DoorClosed("the endpoint is not on the list of approved endpoints, or it was switched off")
    if (known.name, known.base_url) != (errand.endpoint, errand.address):
        raise DoorClosed("the endpoint's address is not the one approved at gate B")
    from synthesis.llm.openai_provider import ModelList, OpenAIProvider

    kind = ModelList if probes.is_listing(body) else OpenAIProvider
    return kind(
        base_url=known.base_url, api_key=key_of(known.name), timeout=settings.DOOR_LEASE_SECONDS - 5,
        expected=hashlib.sha256(body).hexdigest(),
    )  # fmt: skip


def key_of(endpoint: str) -> str:
    """The provider key, from a file that only the door's account can read; local endpoints need none."""
    path = Path(settings.PROVIDER_KEYS_FILE)
    keys = json.loads(path.read_text()) if path.exists() else {}
    return str(keys.get(endpoint, "none"))


def send(intent: str) -> Reply:
    """Send one recorded intent and record what came of it."""
    try:
        record = prompts.get(intent)
        body = prompts.load_body(record)
        errand = errand_of(record, body)
        provider = provider_for(record, errand, body)
        token = prompts.start_sending(intent, lease_seconds=settings.DOOR_LEASE_SECONDS, row=record)
    except (DoorClosed, AuditError) as problem:
        return {"outcome": "refused", "reason": str(problem)}
    if reason := last_look(record, errand, body):
        prompts.finish(intent, token=token, answer=None, error=reason, usage={}, sent=False)
        return {"outcome": "refused", "reason": reason}
    return deliver(intent, token, provider, body)


def last_look(record: PromptRecord, errand: Errand, body: bytes) -> str:
    """Why the prompt must not leave after all, or an empty string: then it is counted and may go."""
    if reason := errand.stopped():
        return reason
    try:
        tally.count(record.intent_id, record.endpoint, body)
    except OSError as problem:
        return f"the door cannot keep its own count ({type(problem).__name__})"
    return ""


def deliver(intent: str, token: str, provider: Provider, body: bytes) -> Reply:
    try:
        completion = provider.complete(body)
    except ProviderError as problem:
        prompts.finish(intent, token=token, answer=None, error=str(problem), usage={})
        return {"outcome": "failed", "reason": str(problem), **told_by(problem)}
    used = usage(completion)
    tally.answered(intent, used)
    prompts.finish(intent, token=token, answer=completion.body, error="", usage=used)
    return {"outcome": "answered", "reason": ""}


def told_by(problem: ProviderError) -> Reply:
    """What a refusing endpoint told in numbers, for whoever asked; as text, like the rest of the reply."""
    return {"status": str(problem.status), "context": str(problem.context), "wait": str(problem.wait)}


def usage(completion: Completion) -> dict[str, int]:
    """Tokens and limits as the endpoint reported them, if it did, and the seconds it took, begun ones counted whole."""
    told = completion.usage
    tokens = {"prompt_tokens": told.prompt_tokens, "completion_tokens": told.completion_tokens} if told else {}
    return tokens | {"seconds": math.ceil(completion.seconds)} | dict(completion.rates)


class Caller(socketserver.StreamRequestHandler):
    """One line in, {"intent": number}; one line out, {"outcome": ..., "reason": ...}."""

    def handle(self) -> None:
        line = self.rfile.readline(1000)
        if not line:  # somebody looked whether the door listens
            return
        close_old_connections()
        try:
            reply = send(self.intent(line))
        except Exception as problem:
            # Whatever went wrong may hold bytes of a prompt or a key in its message, so only its kind is told.
            log.error("door: %s", type(problem).__name__)
            reply = {"outcome": "failed", "reason": f"the door failed: {type(problem).__name__}"}
        with contextlib.suppress(OSError):  # whoever asked may be gone; the outcome is in the log
            self.wfile.write(json.dumps(reply).encode() + b"\n")
        close_old_connections()

    def intent(self, line: bytes) -> str:
        asked: Any = json.loads(line)
        return str(asked["intent"])


class Door(socketserver.ThreadingUnixStreamServer):
    """A fixed number of threads works the calls, so that each can keep its connections to the databases."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Caller)
        self.pool = ThreadPoolExecutor(CALLS_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.pool.submit(self.process_request_thread, request, client_address)

    def server_close(self) -> None:
        super().server_close()
        self.pool.shutdown(wait=False, cancel_futures=True)


def keep_connections(seconds: int) -> None:
    """Keep database connections between calls, each tried before it is used again: for a process of its own."""
    for alias in connections:
        connections.settings[alias] |= {"CONN_MAX_AGE": seconds, "CONN_HEALTH_CHECKS": True}


def serve(path: Path) -> Door:
    """A door listening on a socket that only this account may open; the socket has its name once it listens."""
    beside = path.with_name(f".{path.name}")
    beside.unlink(missing_ok=True)
    door = Door(beside)
    beside.chmod(0o600)
    beside.replace(path)
    return door
