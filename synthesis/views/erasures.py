"""Erasing a prompt or an answer: one steward proposes it, another one confirms it; until then it can be withdrawn."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from audit import erasure
from audit import selectors as audit
from audit.actors import actor
from audit.errors import ErasureRefused
from audit.models import ErasureProposal, PromptRecord
from synthesis.forms import ErasureForm
from synthesis.views.runs import run_with_prompts

CONFIRM, PROPOSE = "confirm", "propose"


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(erasure.PERMISSION, raise_exception=True)
def erase_page(http: HttpRequest, pk: UUID, intent: str) -> HttpResponse:
    request = run_with_prompts(http, pk)
    record = get_object_or_404(audit.prompts_of(str(request.run.pk)), intent_id=intent)
    waiting = erasure.proposals_for(record)
    form = ErasureForm(http.POST if http.POST.get("step") == PROPOSE else None, parts=free(record, waiting))
    try:
        if http.method == "POST" and (done := taken(http, record, waiting, form)):
            messages.success(http, done)
            return redirect("request-prompt", pk, intent)
    except ErasureRefused as refusal:
        messages.error(http, f"Not done: {refusal}.")
        return redirect("request-erase", pk, intent)
    told = [
        {"proposal": one, "mine": one.proposed_by == actor(http.user), "what": what(record, one)} for one in waiting
    ]
    context = {"request_": request, "record": record, "form": form, "waiting": told}
    return render(http, "audit/erase.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(erasure.PERMISSION, raise_exception=True)
def erase_withdraw(http: HttpRequest, pk: UUID, intent: str, proposal: UUID) -> HttpResponse:
    request = run_with_prompts(http, pk)
    record = get_object_or_404(audit.prompts_of(str(request.run.pk)), intent_id=intent)
    waiting = next((one for one in erasure.proposals_for(record) if one.pk == proposal), None)
    if waiting is None:
        messages.error(http, "Not done: that proposal was carried out or withdrawn meanwhile, or there never was one.")
        return redirect("request-erase", pk, intent)
    part = what(record, waiting)
    if http.method != "POST":
        context = {"request_": request, "record": record, "proposal": waiting, "what": part}
        return render(http, "audit/erase_withdraw.html", context)
    try:
        erasure.withdraw(by=http.user, proposal=waiting)
        messages.success(http, f"Withdrawn. The {part} is kept, and it can be proposed again.")
    except ErasureRefused as refusal:
        messages.error(http, f"Not done: {refusal}.")
    return redirect("request-erase", pk, intent)


def free(record: PromptRecord, waiting: list[ErasureProposal]) -> dict[str, list[str]]:
    """The parts that are still there and that nobody proposed to erase."""
    asked = {body for one in waiting for body in one.bodies}
    return {part: ids for part, ids in erasure.parts(record).items() if not asked.intersection(ids)}


def what(record: PromptRecord, proposal: ErasureProposal) -> str:
    return "answer" if record.answer_id in proposal.bodies else "prompt"


def taken(http: HttpRequest, record: PromptRecord, waiting: list[ErasureProposal], form: ErasureForm) -> str:
    """Take the step that was posted; what was done, in words, or nothing where the form does not hold."""
    if http.POST.get("step") == CONFIRM:
        proposal = next((one for one in waiting if str(one.pk) == http.POST.get("proposal")), None)
        if proposal is None:
            raise ErasureRefused("that proposal was carried out meanwhile, or there never was one")
        erasure.confirm(by=http.user, proposal=proposal)
        return f"The {what(record, proposal)} is erased. Its entry in the log stays."
    if not form.is_valid():
        return ""
    given: dict[str, Any] = form.cleaned_data
    erasure.propose(by=http.user, body=form.parts[given["part"]][0], reason=given["reason"])
    return f"Proposed. Another data steward confirms the erasure of the {given['part']}."
