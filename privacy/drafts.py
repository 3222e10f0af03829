"""Writing a declaration step by step: every step is kept as it was answered, and judged only as a whole.

A draft is its owner's alone and binds nobody, so the log hears of it once it is registered.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from privacy import policies, services
from privacy.codebook import Answers, Draft, draft_from, propose
from privacy.codebook.draft import Drafting
from privacy.codebook.words import field_of
from privacy.models import Dataset, DeclarationDraft
from privacy.problems import Problem

OWNERS = "Only data owners register datasets."
STALE = "This draft was changed on another page meanwhile. What you typed is still here: compare, then keep it."
MOST_BYTES = 2**20
MOST_DRAFTS = 50


def of(user: Any) -> Any:
    """This person's drafts, the newest first."""
    return DeclarationDraft.objects.filter(owner=user)


def begin(*, by: Any, codebook: bytes = b"", header: str = "", title: str = "") -> DeclarationDraft:
    """A draft from a codebook, or from a file's header line. CodebookRefused where it is neither."""
    policies.require(policies.may_register(by), OWNERS)
    if of(by).count() >= MOST_DRAFTS:
        raise ValidationError(f"You have {MOST_DRAFTS} drafts: register or delete one first.")
    made = draft_from(codebook) if codebook else propose(Answers(), header)
    declaration = made.declaration | ({"title": title.strip()} if title.strip() else {})
    notes = [[note.column, note.rule] for note in made.notes]
    return DeclarationDraft.objects.create(owner=by, declaration=declaration, notes=notes)


def keep(*, by: Any, draft: DeclarationDraft, changes: dict[str, Any], edition: int) -> DeclarationDraft:
    """Write answers into the draft, valid or not; an answer of None takes its key out. ValidationError if stale."""
    policies.require(policies.may_register(by) and draft.owner_id == by.pk, OWNERS)
    known = {key: value for key, value in (draft.declaration | changes).items() if value is not None}
    if len(json.dumps(known)) > MOST_BYTES:
        raise ValidationError("The declaration would be longer than this site takes.")
    same = DeclarationDraft.objects.filter(pk=draft.pk, edition=edition)
    with transaction.atomic():
        if not same.update(edition=F("edition") + 1):
            raise ValidationError(STALE)
        draft.refresh_from_db()
        draft.declaration = known
        draft.save(update_fields=["declaration", "changed_at"])
    return draft


def keep_column(*, by: Any, draft: DeclarationDraft, place: int, field: dict[str, Any], edition: int) -> None:
    fields = list(draft.declaration["fields"])
    fields[place] = field
    keep(by=by, draft=draft, changes={"fields": fields}, edition=edition)


def from_words(name: str, words: str) -> tuple[dict[str, Any], list[str]]:
    """The field that a few words describe, and what was assumed."""
    drafting = Drafting()
    field = field_of(name, words, drafting)
    return field, [note.rule for note in drafting.notes]


def problems(draft: DeclarationDraft) -> tuple[Problem, ...]:
    """Everything that keeps the draft from being a declaration; empty when it is one."""
    return Draft(draft.declaration).still_to_declare


@transaction.atomic
def register(*, by: Any, draft: DeclarationDraft, edition: int) -> Dataset:
    """Make a dataset of the draft, which ends with it. SchemaError or DeclarationRefused, and the draft stays."""
    policies.require(policies.may_register(by) and draft.owner_id == by.pk, OWNERS)
    draft = DeclarationDraft.objects.select_for_update().get(pk=draft.pk)
    if draft.edition != edition:
        raise ValidationError(STALE)
    dataset = services.register_dataset(by=by, declaration=Draft(draft.declaration).text)
    draft.delete()
    return dataset


def discard(*, by: Any, draft: UUID) -> None:
    of(by).filter(pk=draft).delete()
