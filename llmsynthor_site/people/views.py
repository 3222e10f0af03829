"""People and their roles: administrators propose, a second person decides, and everyone sees why not."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django import forms
from django.contrib import messages
from django.contrib.auth.views import PasswordResetConfirmView
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_http_methods, require_safe

from audit import events
from audit.actors import actor
from llmsynthor_site import services
from llmsynthor_site.models import PeopleChange, RoleGrant, User
from llmsynthor_site.people import changes, memberships
from llmsynthor_site.people.forms import JoinForm, PeopleFilter, PersonForm, RoleForm, WhyForm, add_refusal
from llmsynthor_site.roles import BY_NAME, ROLES, Admin, conflict, roles_of
from llmsynthor_site.signin import claims

PAGE = 25
SHOWN = 50


def require(http: HttpRequest, *permissions: str) -> None:
    if not any(http.user.has_perm(permission) for permission in permissions):
        raise PermissionDenied("People and roles are for administrators, and for data owners who confirm.")


def found_people(form: PeopleFilter) -> QuerySet[User]:
    name = form.cleaned_data["name"].strip() if form.is_valid() else ""
    held = RoleGrant.objects.filter(ended_at=None).order_by("granted_at")
    found = User.objects.order_by("username").prefetch_related(Prefetch("role_grants", held, to_attr="held"))
    return found.filter(Q(username__istartswith=name) | Q(last_name__istartswith=name)) if name else found


@require_safe
def people_list(http: HttpRequest) -> HttpResponse:
    require(http, services.MANAGE, changes.CONFIRM)
    form = PeopleFilter(http.GET)
    page = Paginator(found_people(form), PAGE).get_page(http.GET.get("page"))
    waiting = PeopleChange.objects.filter(outcome=PeopleChange.Outcome.WAITING)
    waiting = waiting.select_related("user", "proposed_by", "organisation")
    context = {
        "form": form, "page": page, "filtered": bool(http.GET.get("name")), "waiting": waiting[:SHOWN],
        "may_manage": http.user.has_perm(services.MANAGE),
    }  # fmt: skip
    return render(http, "people/list.html", context)


@require_safe
def person_page(http: HttpRequest, number: int) -> HttpResponse:
    require(http, services.MANAGE, changes.CONFIRM)
    person = get_object_or_404(User, pk=number)
    grants = person.role_grants.select_related("granted_by", "ended_by").order_by("-granted_at")
    held = [one for one in grants if one.ended_at is None]
    names = {one.role for one in held}
    context = {
        "person": person,
        "held": held,
        "memberships": memberships.of(person),
        "ended": [one for one in grants if one.ended_at is not None],
        "changes": person.changes.select_related("proposed_by", "decided_by", "organisation")[:SHOWN],
        "may_manage": http.user.has_perm(services.MANAGE),
        "self": person.pk == http.user.pk,
        "grantable": grantable(names),
        "factors": ", ".join(str(one.Type(one.type).label) for one in Authenticator.objects.filter(user=person)),
        "linked": SocialAccount.objects.filter(user=person),
        "claimed": claims.of(person, held=names),
        "keeps": Admin.name if not services.other_administrators(person) else "",
    }
    return render(http, "people/person.html", context)


def grantable(held: set[str]) -> list[str]:
    """Names of the roles that go with those somebody holds."""
    return [role.name for role in ROLES if role.name not in held and not conflict(held | {role.name})]


@require_http_methods(["GET", "HEAD", "POST"])
def person_new(http: HttpRequest) -> HttpResponse:
    require(http, services.MANAGE)
    form = PersonForm(http.POST or None)
    if http.method == "POST" and form.is_valid():
        made = services.invite(by=http.user, **form.cleaned_data)
        messages.success(http, "The account is there. Propose a role, and a reset that lets them choose a password.")
        return redirect(made)
    return render(http, "people/new.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
def propose_page(http: HttpRequest, number: int, kind: str) -> HttpResponse:
    require(http, services.MANAGE)
    person = get_object_or_404(User, pk=number)
    if kind not in PeopleChange.Kind.values:
        raise Http404("There is no such change.")
    form = proposal_form(http, person, kind)
    if http.method == "POST" and form.is_valid():
        try:
            made = changes.propose(by=http.user, user=person, kind=kind, **form.cleaned_data)
            messages.success(http, "Proposed. Another administrator or a data owner decides on it.")
            return redirect(made)
        except ValidationError as refusal:
            add_refusal(form, refusal)
    return render(http, "people/propose.html", {"form": form, "person": person, "kind": kind})


def proposal_form(http: HttpRequest, person: User, kind: str) -> forms.Form:
    given = http.POST or None
    if kind == PeopleChange.Kind.GRANT:
        return RoleForm(given, grantable=grantable({one.name for one in roles_of(person)}))
    return JoinForm(given, person=person) if kind == PeopleChange.Kind.JOIN else WhyForm(given)


@require_http_methods(["GET", "HEAD", "POST"])
def take_away_page(http: HttpRequest, number: int, role: str) -> HttpResponse:
    require(http, services.MANAGE)
    person = get_object_or_404(User, pk=number)
    if role not in BY_NAME or role not in {one.name for one in roles_of(person)}:
        raise Http404("This person does not hold that role.")
    form = WhyForm(http.POST or None)
    if http.method == "POST" and form.is_valid():
        try:
            services.take_away_role(by=http.user, user=person, role=role, **form.cleaned_data)
            messages.success(http, f"{person} is no {BY_NAME[role].display_name.lower()} any more.")
            return redirect(person)
        except ValidationError as refusal:
            add_refusal(form, refusal)
    return render(http, "people/take_away.html", {"form": form, "person": person, "role": BY_NAME[role]})


@require_http_methods(["GET", "HEAD", "POST"])
def change_page(http: HttpRequest, number: int) -> HttpResponse:
    """One proposal: what it would do, and both buttons, or in words why not."""
    require(http, services.MANAGE, changes.CONFIRM)
    change = get_object_or_404(
        PeopleChange.objects.select_related("user", "proposed_by", "decided_by", "organisation"), pk=number
    )
    context: dict[str, Any] = {"change": change, "problems": []}
    if http.method == "POST":
        try:
            address = taken(http, change)
            if not address:
                return redirect(change)
            context["address"] = http.build_absolute_uri(address)
        except ValidationError as refusal:
            context["problems"] = refusal.messages
        change.refresh_from_db()
    context |= {
        "denial": changes.why_not_confirm(change, http.user),
        "mine": change.proposed_by_id == http.user.pk,
        "role": BY_NAME.get(change.role),
        "waiting": change.outcome == PeopleChange.Outcome.WAITING,
    }
    answer = render(http, "people/change.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


def taken(http: HttpRequest, change: PeopleChange) -> str:
    """Take the step that was posted; the address of a new password, where that is what it made."""
    if http.POST.get("step") == "decline":
        changes.decline(by=http.user, change=change)
        messages.success(http, "Nothing changes; the proposal stays on record.")
        return ""
    address = changes.confirm(by=http.user, change=change)
    if not address:
        messages.success(http, "Confirmed. It counts from now on.")
    return address


class NewPassword(PasswordResetConfirmView):
    """Where somebody chooses a password, once, after two people agreed that they may."""

    template_name = "registration/new_password.html"
    success_url = reverse_lazy("account_login")

    def form_valid(self, form: Any) -> HttpResponse:
        person = form.user
        with transaction.atomic():
            answer = super().form_valid(form)
            facts = {"user": person.username}
            events.record(action="site:password:chosen", by=actor(person), subject=f"user:{person.pk}", facts=facts)
        messages.success(self.request, "Your password is set. Sign in with it.")
        return answer
