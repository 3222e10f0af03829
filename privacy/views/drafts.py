"""Registering a dataset step by step: source, privacy unit, columns, people and cap, and a look at all of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from privacy import drafts, policies
from privacy.draft_forms import ColumnForm, PeopleForm, SourceForm, UnitForm, dict_of
from privacy.errors import DeclarationRefused
from privacy.forms import add_refusal
from privacy.models import DeclarationDraft
from privacy.problems import Problem, ProblemsFound
from privacy.schema import Schema

STEPS = (("unit", "Privacy unit"), ("columns", "Columns"), ("people", "People and cap"), ("check", "Check answers"))
FORMS: dict[str, type[UnitForm | PeopleForm]] = {"unit": UnitForm, "people": PeopleForm}
COLUMNS, NAMED = 25, 8


def mine(http: HttpRequest, pk: UUID) -> DeclarationDraft:
    policies.require(policies.may_register(http.user), drafts.OWNERS)
    found: DeclarationDraft = get_object_or_404(drafts.of(http.user), pk=pk)
    return found


def page(http: HttpRequest, draft: DeclarationDraft, at: str, **context: Any) -> HttpResponse:
    """One step, beside all of them and what each still lacks."""
    lacking = [step_of(one) for one in drafts.problems(draft)]
    steps = [
        {"name": name, "label": label, "here": at.startswith(name.rstrip("s")), "open": lacking.count(name),
         "url": reverse(f"draft-{name}", args=[draft.pk])}
        for name, label in STEPS
    ]  # fmt: skip
    return render(http, f"privacy/draft_{at}.html", {"draft": draft, "steps": steps, **context})


def step_of(problem: Problem) -> str:
    """The page on which a problem is put right."""
    if problem.column or "field" in problem.rule:
        return "columns"
    return "unit" if "privacyUnit" in problem.rule else "people"


@require_http_methods(["GET", "HEAD", "POST"])
def draft_new(http: HttpRequest) -> HttpResponse:
    policies.require(policies.may_register(http.user), drafts.OWNERS)
    form = SourceForm(http.POST or None, http.FILES or None)
    problems: tuple[Problem, ...] = ()
    if http.method == "POST" and form.is_valid():
        given = form.cleaned_data
        codebook = given["codebook"].read() if given["codebook"] else b""
        try:
            made = drafts.begin(by=http.user, codebook=codebook, header=given["header"].strip(), title=given["title"])
            return redirect("draft-unit", made.pk)
        except ProblemsFound as refusal:
            problems = refusal.problems
        except ValidationError as refusal:
            add_refusal(form, refusal)
    context = {"form": form, "problems": problems, "drafts": drafts.of(http.user)}
    return render(http, "privacy/draft_new.html", context, status=422 if problems else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def draft_step(http: HttpRequest, pk: UUID, step: str) -> HttpResponse:
    """The privacy unit, or people and cap: what is typed is kept, and what it lacks is said beside the steps."""
    draft = mine(http, pk)
    made = FORMS[step]
    form = made(http.POST or None, initial=made.shown(draft.declaration) | {"edition": draft.edition})
    if http.method == "POST" and form.is_valid():
        edition = form.cleaned_data["edition"]
        try:
            drafts.keep(by=http.user, draft=draft, changes=form.changes(draft.declaration), edition=edition)
            return redirect("draft-columns" if step == "unit" else "draft-check", pk)
        except ValidationError as refusal:
            form = renewed(form, draft, refusal)
    names = [one.get("name", "") for one in draft.declaration.get("fields", []) if isinstance(one, dict)]
    return page(http, draft, step, form=form, names=names)


def renewed(form: Any, draft: DeclarationDraft, refusal: ValidationError) -> Any:
    """The same form with what was typed, which may be sent again knowing of the change."""
    draft.refresh_from_db()
    form.data = form.data.copy()
    form.data["edition"] = str(draft.edition)
    add_refusal(form, refusal)
    return form


@require_safe
def draft_columns(http: HttpRequest, pk: UUID) -> HttpResponse:
    """Every column in the file's order, with what it still lacks."""
    draft = mine(http, pk)
    told: dict[str, list[str]] = {}
    for problem in drafts.problems(draft):
        told.setdefault(problem.column, []).append(problem.rule)
    fields = draft.declaration.get("fields", [])
    listed = Paginator(list(enumerate(map(in_short, fields))), COLUMNS).get_page(http.GET.get("page"))
    lines = [(place, one, told.get(one["name"], [])) for place, one in listed]
    return page(http, draft, "columns", page=listed, lines=lines, count=len(fields))


def in_short(field: Any) -> dict[str, Any]:
    """A column as one line tells it; whatever an exact answer holds, it is shown as text."""
    known = dict_of(field)
    bounds, values = dict_of(known.get("constraints")), known.get("categories")
    values = values if isinstance(values, list) else []
    return {
        "name": str(known.get("name", "")), "type": str(known.get("type", "")), "values": values[:NAMED],
        "more": max(0, len(values) - NAMED), "least": bounds.get("minimum"), "most": bounds.get("maximum"),
        "left_out": bool(known.get("freeText")), "parts": known.get("parts", []),
    }  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
def draft_column(http: HttpRequest, pk: UUID, place: int) -> HttpResponse:
    draft = mine(http, pk)
    fields = draft.declaration.get("fields", [])
    if not 0 <= place < len(fields):
        raise Http404("There is no such column.")
    field = dict_of(fields[place])
    name = str(field.get("name", ""))
    form = ColumnForm(http.POST or None, initial=ColumnForm.shown(field) | {"edition": draft.edition})
    if http.method == "POST" and form.is_valid():
        words, exact = form.cleaned_data["words"].strip(), form.cleaned_data["exact"]
        made, notes = drafts.from_words(name, words) if words else (exact, [])
        try:
            field, edition = made | {"name": name}, form.cleaned_data["edition"]
            drafts.keep_column(by=http.user, draft=draft, place=place, field=field, edition=edition)
            messages.info(http, f"{name}: kept. {' '.join(f'{note.capitalize()}.' for note in notes)}")
            return redirect("draft-column" if notes else "draft-columns", *([pk, place] if notes else [pk]))
        except ValidationError as refusal:
            form = renewed(form, draft, refusal)
    lacking = [one.rule for one in drafts.problems(draft) if one.column == name]
    notes = [rule for column, rule in draft.notes if column == name]
    return page(http, draft, "column", form=form, name=name, place=place, lacking=lacking, notes=notes)


@require_http_methods(["GET", "HEAD", "POST"])
def draft_check(http: HttpRequest, pk: UUID) -> HttpResponse:
    """All of it once more; registering makes the dataset and ends the draft."""
    draft, problem = mine(http, pk), ""
    found = drafts.problems(draft)
    if http.method == "POST" and not found:
        edition = http.POST.get("edition", "")
        try:
            dataset = drafts.register(by=http.user, draft=draft, edition=int(edition) if edition.isdecimal() else 0)
            messages.success(http, "Registered. The dataset can be asked for once its data are accepted.")
            return redirect("dataset-upload", dataset.pk)
        except (DeclarationRefused, ValidationError) as refusal:
            problem = " ".join(getattr(refusal, "messages", None) or [str(refusal)])
    told = [{"problem": one, "url": reverse(f"draft-{step_of(one)}", args=[pk])} for one in found]
    schema = None if found else Schema.parse(drafts.Draft(draft.declaration).text)
    context = {"told": told, "problem": problem, "schema": schema, "unit_form": UnitForm.shown(draft.declaration)}
    return page(http, draft, "check", **context, people=PeopleForm.shown(draft.declaration))


@require_http_methods(["GET", "HEAD", "POST"])
def draft_discard(http: HttpRequest, pk: UUID) -> HttpResponse:
    draft = mine(http, pk)
    if http.method != "POST":
        return render(http, "privacy/draft_discard.html", {"draft": draft})
    drafts.discard(by=http.user, draft=draft.pk)
    messages.success(http, "The draft is deleted.")
    return redirect("draft-new")
