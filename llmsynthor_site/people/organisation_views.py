"""Organisations and their people: read by administrators and data owners, changed by administrators."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from llmsynthor_site import services
from llmsynthor_site.models import Membership, Organisation, User
from llmsynthor_site.people import changes, memberships
from llmsynthor_site.people.forms import OrganisationForm, WhyForm, add_refusal
from llmsynthor_site.people.views import require

PAGE = 25


@require_safe
def organisation_list(http: HttpRequest) -> HttpResponse:
    require(http, services.MANAGE, changes.CONFIRM)
    inside = Count("memberships", filter=Q(memberships__ended_at=None))
    page = Paginator(Organisation.objects.annotate(inside=inside).order_by("name"), PAGE).get_page(http.GET.get("page"))
    context = {"page": page, "may_manage": http.user.has_perm(services.MANAGE)}
    return render(http, "people/organisations.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def organisation_new(http: HttpRequest) -> HttpResponse:
    require(http, services.MANAGE)
    form = OrganisationForm(http.POST or None)
    if http.method == "POST" and form.is_valid():
        try:
            made = memberships.add_organisation(by=http.user, **form.cleaned_data)
            messages.success(http, "The organisation is there. Propose people for it on their own pages.")
            return redirect(made)
        except ValidationError as refusal:
            add_refusal(form, refusal)
    return render(http, "people/organisation_new.html", {"form": form})


@require_safe
def organisation_page(http: HttpRequest, number: int) -> HttpResponse:
    """Who is in it, and which datasets are limited to it."""
    require(http, services.MANAGE, changes.CONFIRM)
    found = get_object_or_404(Organisation, pk=number)
    inside = Membership.objects.filter(organisation=found, ended_at=None).select_related("user", "granted_by")
    page = Paginator(inside.order_by("user__username"), PAGE).get_page(http.GET.get("page"))
    return render(http, "people/organisation.html", {"organisation": found, "page": page})


@require_http_methods(["GET", "HEAD", "POST"])
def leave_page(http: HttpRequest, number: int, organisation: int) -> HttpResponse:
    require(http, services.MANAGE)
    person, place = get_object_or_404(User, pk=number), get_object_or_404(Organisation, pk=organisation)
    if not memberships.of(person).filter(organisation=place).exists():
        raise Http404("This person is not in that organisation.")
    form = WhyForm(http.POST or None)
    if http.method == "POST" and form.is_valid():
        try:
            memberships.leave(by=http.user, user=person, organisation=place, **form.cleaned_data)
            messages.success(http, f"{person} is not in {place} any more.")
            return redirect(person)
        except ValidationError as refusal:
            add_refusal(form, refusal)
    return render(http, "people/leave.html", {"form": form, "person": person, "organisation": place})
