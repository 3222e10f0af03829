"""The site behind benchmarks.audit_door: an endpoint that answers at once, one approved run, and the calls."""

from __future__ import annotations

import json
import os
import sys
import time
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import django

REPLY = json.dumps(
    {
        "id": "1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": '{"proposals": []}'}}
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }
).encode()  # fmt: skip
DECLARED = {
    "title": "Benchmark", "population": "nobody", "privacyUnit": {"kind": "row", "means": "one person"},
    "cap": {"rho": "1", "delta": "1e-6"}, "purposes": ["benchmark"],
    "fields": [{"name": "a", "type": "string", "categories": ["x", "y"], "constraints": {"required": True}}],
}  # fmt: skip
WORDS = "Propose groups of records that would make the table fit. " * 60


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(REPLY)))
        self.end_headers()
        self.wfile.write(REPLY)

    def log_message(self, *args: Any) -> None:
        """Nothing: the first line said is the address."""


def endpoint() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever()


def make(address: str) -> None:
    """A site with one run whose manifest names the endpoint: what the door asks for, and nothing more."""
    from django.core.management import call_command

    from audit import keys
    from llmsynthor_site import services as people
    from llmsynthor_site.models import User
    from privacy import services
    from synthesis.models import EgressManifest, Run, SynthesisRequest
    from synthesis.models import Endpoint as Listed

    for alias in ("default", "log"):
        call_command("migrate", database=alias, verbosity=0)
    keys.make()
    owner = User.objects.create(username="owner")
    people.grant_role(by=None, user=owner, role="owner")
    listed = Listed.objects.create(name="far", base_url=address, model="m", is_local=True)
    request = SynthesisRequest.objects.create(
        dataset=services.register_dataset(by=owner, declaration=json.dumps(DECLARED)), requester=owner,
        title="b", purpose="b", context="b", rows=1, epsilon=Decimal(1), delta=Decimal("1e-6"), rho=Decimal("0.1"),
        proposer="openai", endpoint=listed, seed=1,
    )  # fmt: skip
    caps = {"calls": 10**6, "attempts_per_step": 3, "tokens": 10**12, "seconds": 10**9, "money": None, "prices": None}
    EgressManifest.objects.create(request=request, body={"endpoint": "far", "address": address, "caps": caps})
    Run.objects.create(request=request, settings={})


def measure(calls: int) -> dict[str, Any]:
    """Calls made directly and calls through the door, by turns; milliseconds."""
    from synthesis.models import Run

    run = Run.objects.select_related("request__manifest").get()
    each = [one_turn(run, number) for number in range(calls + 10)][10:]  # the first ones load what they need
    direct, through, whole = (sorted(times) for times in zip(*each, strict=True))
    base = quantile(direct, 0.5)
    return {
        "calls": calls, "direct_p50_ms": base, "direct_p99_ms": quantile(direct, 0.99),
        "door_added_p50_ms": round(quantile(through, 0.5) - base, 2),
        "door_added_p99_ms": round(quantile(through, 0.99) - base, 2),
        "gateway_and_door_added_p50_ms": round(quantile(whole, 0.5) - base, 2),
        "gateway_and_door_added_p99_ms": round(quantile(whole, 0.99) - base, 2),
    }  # fmt: skip


def one_turn(run: Any, number: int) -> tuple[float, float, float]:
    """Seconds of a direct call, of the door's part, and of all between a prompt and its recorded answer."""
    from audit import prompts
    from audit.rendering import render
    from synthesis import costs, gateway

    prompt = composed(number)
    began = time.perf_counter()
    directly(run, render(prompt))
    direct = time.perf_counter() - began
    began = time.perf_counter()
    costs.reserve(run, prompt, sequence=number, attempt=1)
    intent = gateway.record(run, prompt, sequence=number, attempt=1, endpoint=run.request.provider.name)
    asked = time.perf_counter()
    reply = gateway.through_the_door(intent)
    through = time.perf_counter() - asked
    prompts.answer(intent)
    if reply["outcome"] != "answered":
        raise SystemExit(f"the door did not answer: {reply['reason']}")
    return direct, through, time.perf_counter() - began


def composed(number: int) -> Any:
    from audit.segments import Declared, Message, Prompt, Synthetic, Template

    parameters = Declared.of_json({"max_completion_tokens": 4000}, source="settings")
    message = Message("user", (Template("words", WORDS), Synthetic(number, "benchmark")))
    return Prompt(Declared("m", "endpoint:model"), parameters, None, (message,))


def directly(run: Any, body: bytes) -> None:
    from hashlib import sha256

    from synthesis.llm.openai_provider import OpenAIProvider

    address = run.request.manifest.body["address"]
    OpenAIProvider(base_url=address, api_key="none", timeout=30, expected=sha256(body).hexdigest()).complete(body)


def quantile(ordered: list[float], share: float) -> float:
    """In milliseconds."""
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "llmsynthor_site.settings"
    act, *arguments = sys.argv[1:]
    if act == "endpoint":
        endpoint()
    django.setup()
    if act == "make":
        make(*arguments)
    if act == "measure":
        print(json.dumps(measure(int(arguments[0]))))


if __name__ == "__main__":
    main()
