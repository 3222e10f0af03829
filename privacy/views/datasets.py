"""Registering a dataset, handing in its data, and reading what was declared."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from privacy import policies, selectors, services
from privacy.bundles import Bundle
from privacy.errors import DeclarationRefused
from privacy.forms import DataForm, RegisterForm
from privacy.models import Dataset, DatasetVersion, SourceCheck
from privacy.problems import Problem, ProblemsFound, UploadRefused

PAGE = 25
LEDGER_PAGE = 50
WORDS, NAMED = 100, 8


def visible_dataset(http: HttpRequest, pk: UUID) -> Dataset:
    found = selectors.visible_dataset(http.user, pk)
    if found is None:
        raise Http404("There is no such dataset, or you may not see it.")
    return found


def at_stake(dataset: Dataset) -> dict[str, Any]:
    """What pages that ask an owner for a decision show: the budget, and whose presence it hides, in words."""
    schema = selectors.schema(dataset)
    budget = selectors.budget(dataset.population_id)
    return {"budget": budget, "unit": schema.unit_in_words, "meaning": schema.unit_meaning}


@require_safe
def dataset_list(http: HttpRequest) -> HttpResponse:
    words = http.GET.get("words", "").strip()[:WORDS]
    found = selectors.datasets_for(http.user)
    found = found.filter(Q(title__icontains=words) | Q(population__name__icontains=words)) if words else found
    page = Paginator(found, PAGE).get_page(http.GET.get("page"))
    told = [{"dataset": one, **in_short(one)} for one in page.object_list]
    return render(http, "privacy/dataset_list.html", {"page": page, "datasets": told, "words": words})


def in_short(dataset: Dataset) -> dict[str, Any]:
    """What the owner declared, for one line of the catalogue: public columns alone are named."""
    schema, public = selectors.schema(dataset), selectors.dictionary(dataset, public_only=True)
    return {
        "description": schema.description,
        "purposes": schema.purposes,
        "unit": schema.unit_in_words,
        "columns": [one.name for one in public[:NAMED]],
        "more": max(0, len(public) - NAMED),
    }


@require_http_methods(["GET", "HEAD", "POST"])
def dataset_register(http: HttpRequest) -> HttpResponse:
    """One page for both files: a refusal of either keeps nothing."""
    policies.require(policies.may_register(http.user), "Only data owners register datasets.")
    form = RegisterForm(http.POST or None, http.FILES or None)
    problems: tuple[Problem, ...] = ()
    if http.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            return redirect("dataset-detail", registered(http, given))
        except ProblemsFound as refusal:
            problems = refusal.problems
        except DeclarationRefused as refusal:
            problems = (Problem("", str(refusal)),)
    context = {"form": form, "problems": problems}
    return render(http, "privacy/dataset_register.html", context, status=422 if problems else 200)


def registered(http: HttpRequest, given: dict[str, Any]) -> UUID:
    """Register what the form holds; with a file, both or neither are kept."""
    wish = {"by": http.user, "declaration": given["declaration"].read(), "title": given["title"]}
    if not given["file"]:
        return services.register_dataset(**wish).pk
    stream, name = one_stream(given["file"])
    version = services.register_with_file(**wish, stream=stream, filename=name)
    _taken(http, version)
    return version.dataset_id


@require_http_methods(["GET", "HEAD", "POST"])
def dataset_upload(http: HttpRequest, pk: UUID) -> HttpResponse:
    dataset = visible_dataset(http, pk)
    policies.require(policies.may_upload(http.user, dataset), "Only the dataset's owner uploads its data.")
    form = DataForm(http.POST or None, http.FILES or None)
    if http.method == "POST" and form.is_valid():
        return take_in(http, dataset, form.cleaned_data["file"])
    return render(http, "privacy/dataset_upload.html", {"form": form, "dataset": dataset})


def one_stream(files: Sequence[UploadedFile[bytes]]) -> tuple[Any, str]:
    """One file as it is, or the files of related tables as one stream; and what it is called."""
    if len(files) == 1:
        return files[0], files[0].name or ""
    named = [(file.name or "", file.size or 0, cast(Any, file)) for file in files]
    return io.BufferedReader(Bundle(named), 2**20), ", ".join(name for name, _, _ in named)


def take_in(http: HttpRequest, dataset: Dataset, files: Sequence[UploadedFile[bytes]]) -> HttpResponse:
    """Hand the stream on. What is wrong with it is told to the uploader alone, by column and rule."""
    stream, name = one_stream(files)
    try:
        version = services.receive_upload(by=http.user, dataset=dataset, stream=stream, filename=name)
    except UploadRefused as refusal:
        return refused(http, dataset, refusal)
    _taken(http, version)
    return redirect("dataset-detail", dataset.pk)


def refused(http: HttpRequest, dataset: Dataset, refusal: ProblemsFound) -> HttpResponse:
    context = {"form": DataForm(), "dataset": dataset, "problems": refusal.problems, "refused": True}
    return render(http, "privacy/dataset_upload.html", context, status=422)


def _taken(http: HttpRequest, version: DatasetVersion) -> None:
    """What is known of the rows beyond their number is for who hands them in, once."""
    messages.success(http, f"The file fits its declaration and is sealed as version {version.number}.")
    if version.closed:
        messages.info(
            http,
            f"Rows that start elsewhere than the one before ended, as far as measured classes tell: {version.closed}. "
            "They are counted as if they started there.",
        )


@require_safe
def dataset_detail(http: HttpRequest, pk: UUID) -> HttpResponse:
    dataset = visible_dataset(http, pk)
    return render(http, "privacy/dataset_detail.html", declared(http.user, dataset) | ledger(http, dataset))


def declared(user: Any, dataset: Dataset) -> dict[str, Any]:
    """The declaration as far as this person may read it."""
    everything = policies.sees_everything_of(user, dataset)
    columns = selectors.dictionary(dataset, public_only=not everything)
    versions = list(dataset.versions.select_related("uploaded_by")) if everything else []
    return {
        "dataset": dataset,
        "schema": selectors.schema(dataset),
        "columns": columns,
        "rules": selectors.rules_in_words(dataset, public_only=not everything),
        "hidden_columns": len(selectors.schema(dataset).told) - len(columns),
        "everything": everything,
        "ready": any(one.measurable for one in versions) if everything else selectors.is_ready(dataset),
        "may_upload": policies.may_upload(user, dataset),
        "versions": versions,
        "may_destroy": policies.may_destroy(user, dataset),
        "limited_to": list(dataset.limited_to.all()) if everything else (),
        "look": dataset_look(dataset) if everything and selectors.schema(dataset).source else None,
        **waived(user, dataset),
    }


def dataset_look(dataset: Dataset) -> SourceCheck | None:
    """How far a table that stays in its engine has come."""
    return SourceCheck.objects.filter(dataset=dataset).first()


@require_POST
def look_again(http: HttpRequest, pk: UUID) -> HttpResponse:
    dataset = visible_dataset(http, pk)
    try:
        services.look_again(by=http.user, dataset=dataset)
        messages.success(http, "The measuring worker will look at the table.")
    except DeclarationRefused as refusal:
        messages.error(http, f"It was not asked for: {refusal}.")
    return redirect("dataset-detail", dataset.pk)


def waived(user: Any, dataset: Dataset) -> dict[str, Any]:
    """The waiver that stands, for everybody who sees the dataset, and those that have ended."""
    found = list(dataset.waivers.select_related("signed_by", "ended_by"))
    return {
        "waiver": next((one for one in found if one.stands), None),
        "ended_waivers": [one for one in found if not one.stands],
        "may_waive": policies.may_waive(user, dataset),
    }


def ledger(http: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    """The budget of the people in the data, for those who may read the ledger."""
    if not policies.may_view_ledger(http.user, dataset.population):
        return {}
    lines = Paginator(selectors.ledger_entries(dataset.population), LEDGER_PAGE).get_page(http.GET.get("page"))
    budget = selectors.budget(dataset.population_id)
    epsilon = {"cap": budget.epsilon(budget.cap), "left": budget.epsilon(budget.left)}
    may_raise = policies.may_propose_raise(http.user, dataset.population)
    return {"budget": budget, "page": lines, "epsilon": epsilon, "may_raise": may_raise}
