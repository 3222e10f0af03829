"""The egress manifest: what gate B approves, and whether a call stays inside it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.conf import settings

from audit import canonical
from audit.rendering import render, text_of
from audit.segments import Declared, DPValue, FreeText, Message, Prompt, Segment, Synthetic, Template
from privacy import discoveries, free_texts, manifesting, selectors
from privacy.values import Release
from synthesis import costs, manners, ruling, scenario_prompts, text_prompts, what_if
from synthesis.hashing import hash_of
from synthesis.manners import Manner
from synthesis.models import EgressManifest, SynthesisRequest
from synthesis.prompts import TEMPLATES, PromptBuilder, column_code, value_code
from synthesis.states import EMBEDDED

MAX_ITERATIONS = 24
ATTEMPTS = 3
SCENARIO_QUESTIONS = 2
"""How often a what-if sentence is put before a model that gives no usable answer."""
FIRST_TEXT = MAX_ITERATIONS + SCENARIO_QUESTIONS + 1
"""The number of the first question about texts; those before are the loop's and the what-if's."""


def builder(request: SynthesisRequest) -> PromptBuilder:
    """Builds this request's prompts, for the manifest's hashes and for the run alike."""
    columns = selectors.columns(request.dataset, release=request.release_key)
    return PromptBuilder(
        columns,
        release=str(request.release_key),
        source=f"dataset:{request.dataset_id}:declaration",
        model=request.provider.model,
        found=columns.found,
        manner=manner(request),
    )


def manner(request: SynthesisRequest) -> Manner:
    """As the manifest froze it, or as a new one will: from the newest probe of the very model that is asked."""
    if hasattr(request, "manifest"):
        kept = request.manifest.body.get("manner")
        return Manner.from_json(kept) if kept else manners.EARLIER
    if request.provider.name == EMBEDDED or request.endpoint is None:
        return manners.EMBEDDED
    probe = request.endpoint.probed
    asked = (request.endpoint.base_url, request.endpoint.model)
    return manners.suited_to(probe.found if probe and (probe.address, probe.model) == asked else {})


def describe(request: SynthesisRequest) -> dict[str, Any]:
    """Exactly what may leave, in plain JSON: the page shows it, gate B approves its hash."""
    empty = builder(request).build((), iteration=0, proposals=0, records=0)
    sizes = selectors.released(request.release_key).domain.sizes
    return {
        "request": str(request.pk),
        "release": str(request.release_key),
        **request.provider.as_json(),
        "templates": [{"name": template.name, "sha256": template.sha256} for template in wording(request)],
        "manner": manner(request).as_json(),
        "takeover": request.takeover and request.provider.name != EMBEDDED,
        "parameters_sha256": fingerprint(empty.parameters),
        "answer_schema_sha256": fingerprint(empty.response_schema),
        "statistics": manifesting.released_statistics(request.release_key),
        "columns": [{"code": column_code(place), "values": size} for place, size in enumerate(sizes)],
        "declared": selectors.public_facts(request.dataset, release=request.release_key),
        "discovered": discoveries.found_by(request.release_key),
        "accepted_rules": ruling.accepted(request),
        **what_if.in_manifest(request),
        **texts_told(request),
        "caps": {"calls": steps_of(request) * ATTEMPTS, "attempts_per_step": ATTEMPTS,
                 "text_questions": text_questions(request), **costs.caps_for(request)},
    }  # fmt: skip


def texts_told(request: SynthesisRequest) -> dict[str, Any]:
    """The manifest's entry on texts to be written: what the model is told of each column, and its answer's form."""
    if not writes(request):
        return {"written": []}
    form = Declared.of_json(text_prompts.SCHEMA, source="settings:texts") if manner(request).form else None
    return {"written": free_texts.facts(request.dataset), "text_schema_sha256": fingerprint(form)}


def writes(request: SynthesisRequest) -> bool:
    """Whether a model is asked for texts at all."""
    return request.provider.name != EMBEDDED and bool(free_texts.written(request.dataset))


def text_questions(request: SynthesisRequest) -> int:
    """The most questions about texts: as many as all batches of all tables need, within the site's limit."""
    if not writes(request):
        return 0
    sizes = [text_prompts.batch_size(column, manner(request)) for column in free_texts.written(request.dataset)]
    tables = 2 if request.what_if else 1
    needed = sum(-(-tables * request.rows // size) + tables for size in sizes)
    return min(int(settings.TEXT_QUESTIONS), needed)


def wording(request: SynthesisRequest) -> tuple[Template, ...]:
    """Every template that this request's prompts may be made of."""
    supposing = scenario_prompts.TEMPLATES if request.what_if else ()
    return tuple(dict.fromkeys((*TEMPLATES, *supposing, *(text_prompts.TEMPLATES if writes(request) else ()))))


def steps_of(request: SynthesisRequest) -> int:
    """The most questions that its run may ask, the one about the columns, which is behind it, among them."""
    asked = request.structuring + (SCENARIO_QUESTIONS if request.what_if else 0)
    return MAX_ITERATIONS + asked + text_questions(request)


def draw_up(request: SynthesisRequest) -> EgressManifest:
    body = describe(request)
    return EgressManifest.objects.create(request=request, body=body, content_hash=hash_of(body))


def fingerprint(part: Declared | None) -> str | None:
    return hash_of(part.value) if part is not None else None


def outside(manifest: dict[str, Any], prompt: Prompt, *, provider: dict[str, Any], calls: int) -> str:
    """Why this call is outside the envelope, or an empty string when it is inside.

    ``provider`` is where the call would go now: an endpoint that was moved or renamed after gate B is refused.
    """
    if any(manifest[name] != value for name, value in provider.items()) or prompt.model.value != manifest["model"]:
        return "the endpoint, its model or its address is not the one approved"
    if calls >= manifest["caps"]["calls"]:
        return "the approved number of calls is used up"
    if fingerprint(prompt.parameters) != manifest["parameters_sha256"]:
        return "the request's parameters are not those approved"
    forms = {manifest[name] for name in ("answer_schema_sha256", "text_schema_sha256") if name in manifest}
    if fingerprint(prompt.response_schema) not in forms:
        return "the answer's form is not the one approved"
    return next((reason for message in prompt.messages if (reason := foreign(manifest, message))), "")


def foreign(manifest: dict[str, Any], message: Message) -> str:
    """The first segment that the manifest does not list, in words, or an empty string."""
    known = Known(manifest)
    return next((reason for segment in message.segments if (reason := known.objection(segment))), "")


class Known:
    """What a manifest allows, as sets to look up in."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        self.release = manifest["release"]
        self.templates = {template["sha256"] for template in manifest["templates"]}
        self.measurements = {statistic["measurement"] for statistic in manifest["statistics"]}
        texts = manifest["free_text"]
        self.approved = {(text["approval"], canonical.dumps(text["text"]).decode()) for text in texts}
        self.words = words(manifest)

    def objection(self, segment: Segment) -> str:
        match segment:
            case Template() if segment.sha256 not in self.templates:
                return f"template {segment.name} is not the approved version"
            case DPValue() if segment.release != self.release or segment.measurement not in self.measurements:
                return "a statistic is not among those approved"
            case FreeText() if (segment.approval, segment.text) not in self.approved:
                return "a free text was not approved"
            case Declared() if not self.spells(segment):
                return "a declared text is not among the approved facts"
            case Synthetic() | Template() | DPValue() | FreeText() | Declared():
                return ""

    def spells(self, segment: Declared) -> bool:
        """Whether a declared part is JSON made of approved words alone."""
        try:
            return self.made_of_words(json.loads(text_of(segment)))
        except ValueError:
            return False

    def made_of_words(self, value: Any) -> bool:
        if isinstance(value, str):
            return value in self.words
        if isinstance(value, list):
            return all(self.made_of_words(each) for each in value)
        return isinstance(value, dict) and all(
            self.made_of_words(name) and self.made_of_words(each) for name, each in value.items()
        )


def words(manifest: dict[str, Any]) -> set[str]:
    """Every word a prompt may use beside the templates: codes, labels declared public, what texts are to hold."""
    widest = max(column["values"] for column in manifest["columns"])
    codes = {column["code"] for column in manifest["columns"]} | {value_code(code) for code in range(widest)}
    codes |= set(manifest.get("kinds", ()))
    public = {name for fact in manifest["declared"] for name in (fact["column"], *fact["labels"])}
    texts = (each[name] for each in manifest.get("written", []) for name in ("column", "language", "instruction"))
    return codes | public | set(texts)


def changed(request: SynthesisRequest, prompt: Prompt) -> str:
    """Why this is not what was approved, number by number; before anything is measured, byte by byte."""
    if hasattr(request, "manifest"):
        return untrue(selectors.released(request.release_key), prompt)
    same = hashlib.sha256(render(prompt)).hexdigest() == request.approved_to_leave["prompt_sha256"]
    return "" if same else "the question about the columns is not the one approved"


def untrue(release: Release, prompt: Prompt) -> str:
    """The first statistic whose value is not the released one, in words, or an empty string."""
    tables = {table.measurement: table.counts for table in release.marginals}
    tables |= {table.measurement: table.counts for table in release.tied}
    for message in prompt.messages:
        for segment in message.segments:
            if isinstance(segment, DPValue) and int(tables[segment.measurement][segment.cell]) != segment.value:
                return "a statistic differs from the released one"
    return ""
