"""What the site's own tables add to the log's entries: words, people, prices, hashes. Plain JSON, no row, no file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any
from uuid import UUID

from audit.actors import actor
from audit.selection import Selection
from privacy import exporting, selectors
from synthesis import packaging, policies
from synthesis.models import Receipt, SuggestedRule, SynthesisRequest, Vote
from synthesis.states import Gate, RequestState

Facts = dict[str, Any]


def requests_in(selection: Selection) -> list[SynthesisRequest]:
    """The requests in scope that were ever submitted: a draft is its author's alone."""
    keys = [name for name in selection.of("request") if _is_key(name)]
    found = SynthesisRequest.objects.filter(pk__in=keys).exclude(content_hash="").exclude(state=RequestState.DRAFT)
    return list(found.select_related("dataset__population", "dataset__owner", "requester").order_by("created_at"))


def _is_key(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def of_request(request: SynthesisRequest) -> Facts:
    """Everything about one request that a page about it shows an auditor."""
    return {
        "id": str(request.pk), "reference": request.reference, "state": request.get_state_display(),
        "asked": request.snapshot, "content_hash": request.content_hash, "requester": person(request.requester),
        "proposer": request.get_proposer_display(), "dataset": of_dataset(request.dataset),
        "votes": [_vote(vote) for vote in _open_to_all(request)],
        "suggested_rules": [_rule(one) for one in request.suggested_rules.select_related("decided_by")],
        "statistics": request.manifest.body["statistics"] if hasattr(request, "manifest") else [],
        "endpoint": _endpoint(request),
        "run": _run(request), "package": _package(request),
        "receipts": [_receipt(receipt) for receipt in _receipts(request)],
    }  # fmt: skip


def of_dataset(dataset: Any) -> Facts:
    return {
        "id": str(dataset.pk), "title": dataset.title, "owner": person(dataset.owner),
        "population": str(dataset.population), "unit": selectors.unit_in_words(dataset),
        "declaration_sha256": dataset.declaration_hash,
    }  # fmt: skip


def person(user: Any) -> Facts:
    return {"name": str(user), "log": actor(user)}


def ledger_of(requests: list[SynthesisRequest]) -> list[Facts]:
    """The lines of the privacy ledger that these requests drew, and the caps they drew on."""
    keys = {str(request.pk) for request in requests}
    populations = {request.dataset.population for request in requests}
    lines = [line for population in sorted(populations, key=str) for line in exporting.lines(population)]
    return [line for line in lines if line["request"] in keys or line["kind"].startswith("CAP")]


def approved(request: SynthesisRequest, hashes: Collection[str]) -> dict[str, bytes]:
    """The documents whose hashes stand in the log, as the very bytes that were hashed: by hash."""
    texts = [_plain(request.snapshot)]
    if hasattr(request, "manifest"):
        texts.append(_plain(request.manifest.body))
    if (package := _built(request)) is not None:
        path = packaging.package_folder(str(package.pk)) / "manifest.json"
        texts.append(path.read_bytes() if path.is_file() else b"")
    named = {hashlib.sha256(text).hexdigest(): text for text in texts}
    return {digest: text for digest, text in named.items() if digest in hashes}


def _plain(content: Any) -> bytes:
    """As synthesis.hashing hashes it."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False).encode()


def _open_to_all(request: SynthesisRequest) -> list[Vote]:
    """Votes of a gate that is still open stay blind here as on every page."""
    cast = request.votes.select_related("voter")
    return [vote for vote in cast if vote.round < request.round or policies.may_see_votes(request, Gate(vote.gate))]


def _vote(vote: Vote) -> Facts:
    return {
        "gate": vote.gate, "gate_name": vote.get_gate_display(), "round": vote.round, "voter": person(vote.voter),
        "decision": vote.decision, "comment": vote.comment, "content_hash": vote.content_hash,
        "at": _time(vote.cast_at),
    }  # fmt: skip


def _rule(one: SuggestedRule) -> Facts:
    """A rule that a model suggested; nobody's name and no time where nobody decided on it."""
    return {
        "number": one.number, "rule": one.rule, "reason": one.reason, "decision": one.decision, "comment": one.comment,
        "by": person(one.decided_by) if one.decided_by else None,
        "at": _time(one.decided_at) if one.decided_at else None,
    }  # fmt: skip


def _endpoint(request: SynthesisRequest) -> Facts:
    body = request.manifest.body if hasattr(request, "manifest") else request.snapshot.get("endpoint", {})
    return {name: body.get(name, "") for name in ("endpoint", "model", "address", "local")}


def _run(request: SynthesisRequest) -> Facts | None:
    run = getattr(request, "run", None)
    if run is None:
        return None
    finished = run.finished_at and _time(run.finished_at)
    return {"id": str(run.pk), "started": _time(run.started_at), "finished": finished}


def _built(request: SynthesisRequest) -> Any:
    return getattr(getattr(request, "run", None), "package", None)


def _package(request: SynthesisRequest) -> Facts | None:
    package = _built(request)
    if package is None:
        return None
    return {"id": str(package.pk), "manifest_sha256": package.content_hash, "files": package.manifest["files"]}


def _receipts(request: SynthesisRequest) -> list[Receipt]:
    return list(Receipt.objects.filter(grant__package__run__request=request).select_related("user").order_by("at"))


def _receipt(receipt: Receipt) -> Facts:
    return {
        "user": person(receipt.user), "file": receipt.file_name, "sha256": receipt.file_hash,
        "licence": receipt.licence_version, "at": _time(receipt.at),
    }  # fmt: skip


def _time(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    packaging.write_json(path, content)
