"""ro-crate-metadata.json: the pack as RO-Crate 1.2, with the phases of the Five Safes profile that truly occurred.

A pack about one request claims the profile (https://w3id.org/5s-crate/0.4); its workflow is the measurement plan that
gate A approved. Sign-off is gates A and B, disclosure is gate C, the check is audit.verify. Nothing is fetched and no
crate is handed in, so there is neither a retrieval nor a validation phase.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

if TYPE_CHECKING:
    from llmsynthor_site.evidence.making import Told

METADATA = "ro-crate-metadata.json"
CRATE, PROFILE = "https://w3id.org/ro/crate/1.2", "https://w3id.org/5s-crate/0.4"
WORKFLOW_PROFILE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
SHA512 = "https://www.iana.org/assignments/named-information#sha-512"
SHP, STATUS = "https://w3id.org/shp#", "http://schema.org/"
SITE, APPLIANCE, TERMS = "#site", "#appliance", "#terms"
METHOD = "https://arxiv.org/abs/2505.14752"
PHASES = {"measure": "SignOff", "egress": "SignOff", "output": "DisclosureCheck"}
HELD = (
    ("approved/", "A document that was submitted or voted on, as the bytes that were hashed; its name is the hash"),
    ("audit/checkpoints/", "A signed checkpoint of the log"),
    ("audit/entries", "Every entry of the log, one a line, as the bytes that were hashed"),
    ("audit/bodies", "Prompts, segment maps, answers and released tables of the entries in scope"),
    ("audit/withheld", "The bodies that were left out, by id"),
    ("audit/", "What audit.verify needs beside entries and bodies"),
    ("requests/", "Words, people, votes, prices, hashes and receipts of one request"),
    ("ledger", "Lines of the privacy ledger that belong to the scope"),
    ("selection", "The scope, and the entries inside it"),
    ("verification", "What audit.verify said when the pack was made"),
    ("index", "The pack for reading"),
)
Entity = dict[str, Any]


def write(data: Path, told: Told, requests: Sequence[Entity]) -> None:
    """Write the metadata file over everything in ``data``; with one request its workflow crate too."""
    workflow = "workflow/" if told.scope.kind == "request" and len(requests) == 1 else ""
    if workflow:
        _write_workflow(data / workflow, requests[0])
    graph = [*_frame(data, told, requests, workflow), *_files(data)]
    for request in requests:
        graph += _of_request(request, told, workflow)
    _write(data / METADATA, _once(graph))


def _frame(data: Path, told: Told, requests: Sequence[Entity], workflow: str) -> Iterator[Entity]:
    """What every pack has: itself, who made it, with what, under which terms, and the check of the log."""
    actions = [f"#query-{one['id']}" for one in requests]
    actions += [_vote_id(one, vote) for one in requests for vote in one["votes"]]
    root: Entity = {
        "@id": "./", "@type": "Dataset", "name": f"Evidence of {told.scope}", "datePublished": told.at,
        "description": f"What the audit log of {told.report.log} holds about it. Made by {told.by}: {told.reason}",
        "license": {"@id": TERMS}, "publisher": {"@id": SITE}, "identifier": f"urn:uuid:{told.number}",
        "hasPart": [{"@id": name} for name in [*_paths(data), *([workflow] if workflow else [])]],
        "mentions": [{"@id": name} for name in [*actions, "#check", "#bagit"]],
    }  # fmt: skip
    if workflow:
        project = {"@id": f"#project-{requests[0]['id']}"}
        root |= {"conformsTo": {"@id": PROFILE}, "mainEntity": {"@id": workflow}, "sourceOrganization": project}
        yield {"@id": PROFILE, "@type": ["CreativeWork", "Profile"], "name": "Five Safes RO-Crate profile"}
    yield {
        "@id": METADATA, "@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": {"@id": CRATE},
    }  # fmt: skip
    yield root
    yield {"@id": SITE, "@type": "Organization", "name": f"The organisation that keeps the log {told.report.log}"}
    yield {"@id": TERMS, "@type": "CreativeWork", "name": "For audit only",
           "description": "Names people and quotes prompts; for those who audit this organisation."}  # fmt: skip
    yield {"@id": APPLIANCE, "@type": "SoftwareApplication", "name": "LLMSynthor appliance", "url": METHOD,
           "version": _version(), "provider": {"@id": SITE}}  # fmt: skip
    yield {"@id": SHA512, "@type": "DefinedTerm", "name": "sha-512 algorithm"}
    yield from _checks(told)


def _checks(told: Told) -> Iterator[Entity]:
    verdict = told.report.verdict
    yield {
        "@id": "#check", "@type": "AssessAction", "additionalType": {"@id": f"{SHP}CheckValue"},
        "name": f"Audit log checked when the pack was made: {verdict}", "endTime": told.at,
        "object": {"@id": "./"}, "instrument": {"@id": SHA512}, "agent": {"@id": APPLIANCE},
        "result": {"@id": "verification.json"}, "actionStatus": _status(verdict == "holds"),
    }  # fmt: skip
    yield {
        "@id": "#bagit", "@type": "UpdateAction", "additionalType": {"@id": f"{SHP}GenerateCheckValue"},
        "name": "BagIt manifests written and signed", "startTime": told.at, "object": {"@id": "./"},
        "instrument": {"@id": SHA512}, "agent": {"@id": APPLIANCE}, "actionStatus": _status(True),
    }  # fmt: skip


def _of_request(request: Entity, told: Told, workflow: str) -> Iterator[Entity]:
    project, agent = f"#project-{request['id']}", _person_id(request["requester"])
    yield {"@id": project, "@type": "Project", "name": request["asked"]["title"],
           "description": request["asked"]["purpose"], "identifier": request["id"]}  # fmt: skip
    yield {"@id": agent, "@type": "Person", "name": request["requester"]["name"], "affiliation": {"@id": SITE},
           "memberOf": {"@id": project}}  # fmt: skip
    yield _execution(request, told, workflow)
    yield from _results(request)
    for vote in request["votes"]:
        yield {"@id": _person_id(vote["voter"]), "@type": "Person", "name": vote["voter"]["name"],
               "affiliation": {"@id": SITE}}  # fmt: skip
        yield _assessment(request, vote, [project, *([workflow] if workflow else [])])
    if workflow:
        yield {"@id": workflow, "@type": "Dataset", "name": "The measurement plan that gate A approved",
               "conformsTo": {"@id": WORKFLOW_PROFILE}}  # fmt: skip
        yield {"@id": WORKFLOW_PROFILE, "@type": ["CreativeWork", "Profile"], "name": "Workflow RO-Crate"}


def _execution(request: Entity, told: Told, workflow: str) -> Entity:
    """The run, from the first charge to the check of the finished table, as far as it came."""
    begun, ended = _moment(told, request, "measuring"), _moment(told, request, "checked")
    failed = _moment(told, request, "failed") or _moment(told, request, "stopped")
    status = "Completed" if ended else "Failed" if failed else "Active" if begun else "Potential"
    action: Entity = {
        "@id": f"#query-{request['id']}", "@type": "CreateAction", "name": f"Make: {request['asked']['title']}",
        "agent": {"@id": _person_id(request["requester"])}, "instrument": {"@id": workflow or APPLIANCE},
        "actionStatus": f"{STATUS}{status}ActionStatus", "object": {"@id": f"requests/{request['id']}.json"},
    }  # fmt: skip
    if begun:
        action["startTime"] = begun
    if ended or failed:
        action["endTime"] = ended or failed
    if names := [entity["@id"] for entity in _results(request) if entity["@type"] == "DigitalDocument"]:
        action["result"] = [{"@id": name} for name in names]
    return action


def _moment(told: Told, request: Entity, step: str) -> str:
    wanted = f"synthesis:request:{step}"
    return next((one.time for one in told.leaves if one.action == wanted and one.facts["request"] == request["id"]), "")


def _results(request: Entity) -> Iterator[Entity]:
    """The files that gate C let out, by hash alone: the table itself is not in a pack."""
    passed = [vote for vote in request["votes"] if vote["gate"] == "output"]
    if not request["package"] or not passed or any(vote["decision"] != "approve" for vote in passed):
        return
    permission = f"#permission-{request['id']}"
    for file in request["package"]["files"]:
        yield {"@id": f"#{request['package']['id']}-{file['name']}", "@type": "DigitalDocument", "name": file["name"],
               "encodingFormat": file["type"], "contentSize": str(file["bytes"]),
               "identifier": f"sha256:{file['sha256']}",
               "hasDigitalDocumentPermission": {"@id": permission}}  # fmt: skip
    yield {"@id": permission, "@type": "DigitalDocumentPermission",
           "name": "May be downloaded by the requester", "permissionType": f"{STATUS}ReadPermission",
           "grantee": {"@id": f"#project-{request['id']}"}}  # fmt: skip


def _assessment(request: Entity, vote: Entity, objects: list[str]) -> Entity:
    return {
        "@id": _vote_id(request, vote), "@type": "AssessAction",
        "additionalType": {"@id": f"{SHP}{PHASES[vote['gate']]}"},
        "name": f"{vote['gate_name']}, round {vote['round']}: {vote['decision']}", "endTime": vote["at"],
        "object": [{"@id": name} for name in ["./", *objects]], "agent": {"@id": _person_id(vote["voter"])},
        "description": f"Bound to SHA-256 {vote['content_hash']}",
        "actionStatus": _status(vote["decision"] == "approve"),
    }  # fmt: skip


def _write_workflow(folder: Path, request: Entity) -> None:
    """The approved plan as a workflow crate of its own, which the profile asks for."""
    folder.mkdir()
    _write_json(folder / "plan.json", request["asked"]["plan"])
    language, plan = "#plan-language", "plan.json"
    _write(folder / METADATA, [
        {"@id": METADATA, "@type": "CreativeWork", "about": {"@id": "./"},
         "conformsTo": [{"@id": CRATE}, {"@id": WORKFLOW_PROFILE}]},
        {"@id": "./", "@type": "Dataset", "name": "Approved measurement plan", "license": {"@id": TERMS},
         "description": "What is asked of the data, in which order, at which share of the privacy loss.",
         "datePublished": next((vote["at"] for vote in request["votes"]), ""), "hasPart": [{"@id": plan}],
         "mainEntity": {"@id": plan}},
        {"@id": plan, "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"], "name": "Measurement plan",
         "encodingFormat": "application/json", "programmingLanguage": {"@id": language}},
        {"@id": language, "@type": "ComputerLanguage", "name": "LLMSynthor measurement plan"},
        {"@id": TERMS, "@type": "CreativeWork", "name": "For audit only"},
    ])  # fmt: skip


def _files(data: Path) -> Iterator[Entity]:
    for name in _paths(data):
        content = (data / name).read_bytes()
        yield {"@id": name, "@type": "File", "name": name, "description": _description(name),
               "contentSize": str(len(content)),
               "encodingFormat": mimetypes.guess_type(name)[0] or "application/octet-stream",
               "sha256": hashlib.sha256(content).hexdigest()}  # fmt: skip


def _description(name: str) -> str:
    return next(text for beginning, text in HELD if name.startswith(beginning))


def _paths(data: Path) -> list[str]:
    found = (path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file())
    return sorted(name for name in found if name != METADATA and not name.startswith("workflow/"))


def _version() -> str:
    told = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
    return str(told["project"]["version"])


def _person_id(person: Entity) -> str:
    return f"#{person['log'].replace(':', '-')}"


def _vote_id(request: Entity, vote: Entity) -> str:
    return f"#vote-{request['reference']}-{vote['gate']}-{vote['round']}-{_person_id(vote['voter'])[1:]}"


def _status(good: bool) -> str:
    return f"{STATUS}{'Completed' if good else 'Failed'}ActionStatus"


def _once(graph: list[Entity]) -> list[Entity]:
    """One entity per id; a person who appears in several parts keeps every property that any part gives."""
    merged: dict[str, Entity] = {}
    for entity in graph:
        merged[entity["@id"]] = merged.get(entity["@id"], {}) | entity
    return list(merged.values())


def _write(path: Path, graph: list[Entity]) -> None:
    _write_json(path, {"@context": f"{CRATE}/context", "@graph": graph})


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
