"""What people do with requests: keyword-only, by whom, one transaction, one event."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone

from audit import events
from audit.actors import actor
from privacy import selectors
from synthesis import ballots, disclosures, jobs, policies, probing, references, reusing, structure_envelope, what_if
from synthesis.hashing import hash_of
from synthesis.models import DownloadGrant, Endpoint, Probe, Submission, SynthesisRequest, Vote
from synthesis.opening import AFTER_GATE
from synthesis.states import Decision, Gate, JobKind
from synthesis.transitions import SYSTEM, check, move
from synthesis.wishes import DEFAULTS, EDITABLE, check_wish, terms_of
from synthesis.workflow import ASK

MANAGE = "synthesis.manage_endpoints"


@transaction.atomic
def create_request(*, by: Any, dataset: Any, **fields: Any) -> SynthesisRequest:
    """A new draft. Refuses an epsilon of 0 or above the cap, and tells which field and which rule."""
    if not by.has_perm(ASK):
        raise PermissionDenied("Only researchers ask for synthetic tables.")
    fields = DEFAULTS | fields
    check_wish(dataset=dataset, **fields)
    if selectors.visible_dataset(by, dataset.pk) is None:
        raise PermissionDenied("The dataset's owner limits it to organisations that you are not in.")
    fields |= terms_of(dataset=dataset, **fields)
    request = SynthesisRequest(dataset=dataset, requester=by, seed=secrets.randbits(48), **fields)
    request.public_reference = references.chosen(dataset=dataset, proposer=request.proposer)
    request.full_clean()
    request.save(force_insert=True)
    facts = {"request": str(request.pk), "dataset": str(dataset.pk)}
    events.record(action="synthesis:request:created", by=actor(by), subject=f"request:{request.pk}", facts=facts)
    return request


@transaction.atomic
def edit_request(*, by: Any, request: SynthesisRequest, **fields: Any) -> SynthesisRequest:
    """Change a draft or a returned request; everything is checked again."""
    request = locked(request)
    check(request, "submit", by)
    fields = DEFAULTS | fields
    check_wish(dataset=request.dataset, **fields)
    fields |= terms_of(dataset=request.dataset, **fields)
    for name in (*EDITABLE, "rho"):
        setattr(request, name, fields.get(name))
    request.public_reference = references.chosen(dataset=request.dataset, proposer=request.proposer)
    request.full_clean()
    request.save(update_fields=[*EDITABLE, "rho", "public_reference", "changed_at"])
    facts = {"request": str(request.pk), "rho": str(request.rho)}
    events.record(action="synthesis:request:edited", by=actor(by), subject=f"request:{request.pk}", facts=facts)
    return request


def locked(request: SynthesisRequest) -> SynthesisRequest:
    """The row as it is now, held until the transaction ends: what a page was built from may be older."""
    return SynthesisRequest.objects.select_for_update().get(pk=request.pk)


def snapshot_of(request: SynthesisRequest) -> dict[str, Any]:
    """Everything the stewards decide on at gate A, as plain JSON."""
    return {
        "dataset": str(request.dataset_id),
        "declaration": selectors.declaration_hash(request.dataset),
        "title": request.title,
        "purpose": request.purpose,
        "context": request.context,
        "targets": request.targets,
        "rows": request.rows,
        "epsilon": str(request.epsilon.normalize()),
        "delta": str(request.delta.normalize()),
        "rho": str(request.rho.normalize()),
        "proposer": request.proposer,
        "endpoint": request.provider.as_json(),
        "takeover": request.takeover,
        "what_if": request.what_if,
        "structure": structure_envelope.describe(request),
        "reference": references.facts_of(request),
        "plan": selectors.plan(
            request.dataset,
            request.targets,
            release=request.reused_id,
            hold=request.seed if request.held_back else None,
        ),
        "reused": reusing.facts_of(request),
        "disclosure": disclosures.frozen(request),
        "use": {"kind": request.use, "by": request.use_by},
        "rules": selectors.rules_in_words(request.dataset),
        "seed": str(request.seed),
        "waiver": request.waiver.as_json() if request.waiver else None,
    }


@transaction.atomic
def submit(*, by: Any, request: SynthesisRequest) -> SynthesisRequest:
    """Freeze what was asked; stewards vote on this snapshot's hash."""
    request = locked(request)
    check(request, "submit", by)
    terms_of(dataset=request.dataset, **{name: getattr(request, name) for name in EDITABLE})
    request.round += 1
    request.waiver = selectors.standing_waiver(request.dataset, held=True)
    request.snapshot = snapshot_of(request) | {"round": request.round}
    request.content_hash = hash_of(request.snapshot)
    request.note = ""  # what it came back with stands with its round
    request.save(update_fields=["round", "waiver", "snapshot", "content_hash", "note", "changed_at"])
    frozen = {"snapshot": request.snapshot, "content_hash": request.content_hash}
    Submission.objects.create(request=request, round=request.round, **frozen)
    facts = {"content_hash": request.content_hash, "round": request.round, "requester": actor(by)}
    facts |= what_if.facts_of_submission(request) | disclosures.facts_of_submission(request)
    facts |= {"waiver": str(request.waiver.pk)} if request.waiver else {}
    return move(request, "submit", by=by, facts=facts)


def withdraw(*, by: Any, request: SynthesisRequest) -> SynthesisRequest:
    return move(request, "withdraw", by=by)


@transaction.atomic
def return_with_comments(*, by: Any, request: SynthesisRequest, comment: str) -> SynthesisRequest:
    """Send it back to the requester; earlier votes of this round stay on record but no longer count."""
    if not comment.strip():
        raise ValidationError({"comment": "Say what should change before it can be approved."})
    move(request, "return", by=by, facts={"comment_sha256": hash_of(comment)})
    SynthesisRequest.objects.filter(pk=request.pk).update(note=comment)
    Submission.objects.filter(request=request, round=request.round).update(returned_with=comment)
    return request


@transaction.atomic
def resume(*, by: Any, request: SynthesisRequest) -> SynthesisRequest:
    """Go on with a paused run, after what paused it was put right."""
    move(request, "resume", by=by)
    jobs.enqueue(request, JobKind.SYNTHESISE)
    return request


@transaction.atomic
def stop(*, by: Any, request: SynthesisRequest, reason: str) -> SynthesisRequest:
    """End a run for good. What was measured stays paid for; the worker notices at its next step."""
    if not reason.strip():
        raise ValidationError({"reason": "Say why it is stopped; the requester will read it."})
    move(request, "stop", by=by, facts={"reason_sha256": hash_of(reason)})
    SynthesisRequest.objects.filter(pk=request.pk).update(note=reason)
    return request


@transaction.atomic
def revoke(*, by: Any, request: SynthesisRequest, reason: str) -> SynthesisRequest:
    """Take a released package back: nobody can download it any more."""
    if not reason.strip():
        raise ValidationError({"reason": "Say why it is revoked; the requester will read it."})
    move(request, "revoke", by=by, facts={"reason_sha256": hash_of(reason)})
    SynthesisRequest.objects.filter(pk=request.pk).update(note=reason)
    DownloadGrant.objects.filter(package__run__request=request, revoked_at=None).update(revoked_at=timezone.now())
    return request


@transaction.atomic
def vote(*, by: Any, request: SynthesisRequest, gate: Gate, decision: Decision, comment: str, seen_hash: str) -> Vote:
    """Cast one blind vote on what the voter was shown; the last vote needed decides the gate."""
    request = locked(request)
    check(request, f"vote_{gate}", by)
    binding = policies.content_hash(request, gate)
    if seen_hash != binding:
        raise ValidationError("What you were shown has changed since. Reload the page and look again.")
    if decision == Decision.REJECT and not comment.strip():
        raise ValidationError({"comment": "Say why it is rejected."})
    cast = ballots.cast(
        request=request, gate=gate, round=request.round, voter=by,
        decision=decision, comment=comment, content_hash=binding,
    )  # fmt: skip
    move(request, f"vote_{gate}", by=SYSTEM)
    decide(request, gate, binding)
    return cast


def decide(request: SynthesisRequest, gate: Gate, binding: str) -> None:
    """Close the gate once every vote it needs is in: one rejection rejects, even of somebody no longer a steward."""
    if request.waiver_id is not None:
        request.waiver = selectors.held_waiver(request.waiver_id)
    found = list(policies.votes(request, gate).filter(content_hash=binding).select_related("voter"))
    cast = [vote for vote in found if vote.decision == Decision.REJECT or policies.counts(vote)]
    if len(cast) < policies.votes_needed(request, gate):
        return
    ballots.reveal(request, gate, binding, found)
    facts = {"gate": str(gate), "content_hash": binding, "at": timezone.now().isoformat(timespec="seconds")}
    if any(vote.decision == Decision.REJECT for vote in cast):
        move(request, "reject", by=SYSTEM, facts=facts)
    else:
        AFTER_GATE[gate](request, facts)


@transaction.atomic
def add_endpoint(*, by: Any, name: str, base_url: str, model: str, is_local: bool, **money: Decimal | None) -> Endpoint:
    """Put an endpoint on the list. No request uses it before gate B approved a manifest that names its address.

    ``money``: prompt_price and completion_price per million tokens, and money_cap, the most one request may cost.
    """
    endpoint = Endpoint(name=name, base_url=base_url, model=model, is_local=is_local, **money)
    endpoint.full_clean()
    endpoint.save()
    told = {key: value and f"{value.normalize():f}" for key, value in money.items()}
    facts = {"endpoint": name, "address": base_url, "model": model, "local": is_local, **told}
    events.record(action="synthesis:endpoint:added", by=actor(by), subject=f"endpoint:{endpoint.pk}", facts=facts)
    return endpoint


def probe_endpoint(*, by: Any, endpoint: Endpoint) -> Probe:
    """Have a worker find out what an endpoint does. ValidationError where that is not possible now."""
    if not by.has_perm(MANAGE):
        raise PermissionDenied("Endpoints are probed by administrators.")
    return probing.ask_for(endpoint, by=by)
