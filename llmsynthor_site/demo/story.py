"""The main job from a table to a download, by five people, through the services the web uses."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command

from audit.models import PromptRecord
from llmsynthor_site.demo.people import People
from privacy import accounting, selectors
from privacy import services as datasets
from synthesis import delivery, policies, services
from synthesis.licence import LICENCE_VERSION
from synthesis.models import DownloadGrant, SynthesisRequest
from synthesis.states import Decision, Gate, Proposer
from synthesis.states import RequestState as S

DELTA = Decimal("1e-6")
EPSILON = Decimal(1)
ROWS = 10_000
POLL_SECONDS = 0.3

Say = Callable[[str], None]


class Stuck(Exception):
    """The job ended somewhere else than it should; the message says where and why."""


@dataclass
class Story:
    people: People
    say: Say
    check: Callable[[], None]  # raises when a process of the site died

    def tell(self, dataset: Any) -> dict[str, Any]:
        """The whole path from a registered table. Returns the figures of the JSON line."""
        began = time.monotonic()
        request = self.ask(dataset)
        self.approve(request, Gate.MEASURE, "stella", "stefan")
        request = self.wait(request, S.MEASURED)
        self.approve(request, Gate.EGRESS, "stella")
        request = self.wait(request, S.CHECKING)
        self.approve(request, Gate.OUTPUT, "stella", "stefan")
        folder = self.download(self.wait(request, S.RELEASED))
        return figures(request, folder) | self.export() | {"seconds": round(time.monotonic() - began, 1)}

    def register(self, *, table: Path, schema: bytes, title: str) -> Any:
        owner = self.people["olivia"]
        with table.open("rb") as stream:
            version = datasets.register_with_file(
                by=owner, declaration=schema, title=title, stream=stream, filename=table.name
            )
        dataset = version.dataset
        self.say(f"registered    {dataset.title}: {len(selectors.domain(dataset).columns)} columns, by {owner}")
        return dataset

    def ask(self, dataset: Any) -> SynthesisRequest:
        budget = selectors.budget(dataset.population_id)
        epsilon = min(
            EPSILON, accounting.epsilon_for(rho=budget.left, delta=DELTA).quantize(Decimal("0.0001"), "ROUND_DOWN")
        )
        request = services.create_request(
            by=self.people["rosa"], dataset=dataset, title="Synthetic " + dataset.title,
            purpose="To develop and teach analyses before asking for the real data.",
            context="Used by one research group on its own computers; only code written against it is published.",
            rows=ROWS, epsilon=epsilon, delta=DELTA, proposer=Proposer.EMBEDDED, endpoint=None,
        )  # fmt: skip
        services.submit(by=self.people["rosa"], request=request)
        self.say(
            f"submitted     request {request.reference}: {ROWS} rows at epsilon {epsilon:f}, delta {DELTA} "
            f"(rho {request.rho.normalize():f})"
        )
        return request

    def approve(self, request: SynthesisRequest, gate: Gate, *stewards: str) -> None:
        for name in stewards:
            request = SynthesisRequest.objects.get(pk=request.pk)
            seen = policies.content_hash(request, gate)
            services.vote(
                by=self.people[name], request=request, gate=gate, decision=Decision.APPROVE, comment="", seen_hash=seen
            )
        approvers = " and ".join(str(self.people[name]) for name in stewards)
        self.say(f"{gate.label.split(':')[0].lower():<13} {gate.label.split(': ')[1]} approved by {approvers}")

    def wait(self, request: SynthesisRequest, goal: S) -> SynthesisRequest:
        """Follow the worker, telling each stage and iteration as it comes."""
        seen, told = "", 0
        while True:
            self.check()
            request = SynthesisRequest.objects.get(pk=request.pk)
            told = self.tell_events(request, told)
            if request.state != seen:
                seen = request.state
                note = " (a release shows itself on a tick of some seconds, so that time tells nothing)"
                self.say(f"state         {request.get_state_display()}{note if seen == S.MEASURING else ''}")
            if request.state == goal:
                return request
            if request.state in (S.FAILED, S.REJECTED, S.PAUSED):
                raise Stuck(f"the request is {request.get_state_display().lower()}: {request.note}")
            time.sleep(POLL_SECONDS)

    def tell_events(self, request: SynthesisRequest, told: int) -> int:
        run = getattr(request, "run", None)
        if run is None or request.state not in (S.SYNTHESISING, S.CHECKING):
            return told
        new = list(run.events.filter(sequence__gt=told))
        for event in new:
            if event.kind == "iteration":
                data = event.data
                self.say(
                    f"iteration {data['number']:>3}  discrepancy {data['residual']:.3f} of its noise, "
                    f"tvd2 {data['tvd2']:.4f}, {data['note']}"
                )
        return new[-1].sequence if new else told

    def download(self, request: SynthesisRequest) -> Path:
        """Accept the terms, fetch every file by a link of its own, and keep them beside the site."""
        person = self.people["rosa"]
        grant = DownloadGrant.objects.get(package__run__request=request, user=person)
        delivery.accept_licence(by=person, grant=grant, version=LICENCE_VERSION)
        folder = Path(settings.SITE_DIR) / "downloads" / request.reference
        folder.mkdir(parents=True)
        for name in delivery.file_names(grant):
            token = delivery.make_link(by=person, grant=grant, file_name=name)
            path, receipt = delivery.redeem(by=person, token=token)
            shutil.copy2(path, folder / name)
            self.say(f"downloaded    {name}, receipt {receipt.pk}, sha256 {receipt.file_hash[:16]}…")
        return folder

    def export(self) -> dict[str, str]:
        folder = Path(settings.SITE_DIR) / "audit-export"
        call_command("export_audit", out=folder, reason="end of the demonstration", stdout=io.StringIO())
        return {"audit_export": short(folder), "public_key": short(Path(settings.SITE_DIR) / "keys" / "log.pub")}


def short(path: Path) -> str:
    """The path as seen from the project's folder."""
    return str(path.relative_to(settings.BASE_DIR)) if path.is_relative_to(settings.BASE_DIR) else str(path)


def figures(request: SynthesisRequest, folder: Path) -> dict[str, Any]:
    run = request.run
    return {
        "request": str(request.pk),
        "rows": request.rows,
        "epsilon": float(request.epsilon),
        "delta": float(request.delta),
        "rho": float(request.rho),
        "iterations": run.events.filter(kind="iteration").count(),
        "prompts_logged": PromptRecord.objects.filter(run=str(run.pk)).count(),
        "tvd2_vs_noised": run.report["tvd2_vs_noised"],
        "package": short(folder),
    }
