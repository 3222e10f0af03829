"""Raising a cap: its owner proposes on one page, another data owner confirms on another."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from privacy import caps, policies, selectors
from privacy.errors import PrivacyError
from privacy.models import CapRaise
from privacy.views.datasets import at_stake, visible_dataset

PAGE = 25
SHOWN_WITH = ("population", "proposed_by", "confirmed_by", "ended_by")
OWNERS = "Caps are raised by data owners, two of them together."


class RaiseForm(forms.Form):
    rho = forms.DecimalField(
        label="New cap (ρ)", max_digits=15, decimal_places=12, widget=forms.TextInput,
        help_text="The whole new cap, not a step. It is never lowered again.",
    )  # fmt: skip
    reason = forms.CharField(
        max_length=4000, widget=forms.Textarea({"rows": 4}),
        help_text="The second owner and every auditor read it; it stays in the log.",
    )  # fmt: skip


class EndForm(forms.Form):
    reason = forms.CharField(
        max_length=4000, widget=forms.Textarea({"rows": 3}), label="Why",
        help_text="The other owner and every auditor read it; it stays in the log.",
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
def propose_page(http: HttpRequest, pk: UUID) -> HttpResponse:
    dataset = visible_dataset(http, pk)
    policies.require(policies.may_propose_raise(http.user, dataset.population), OWNERS)
    form = RaiseForm(http.POST or None)
    if http.method == "POST" and form.is_valid():
        try:
            made = caps.propose_raise(by=http.user, population=dataset.population, **form.cleaned_data)
            messages.success(http, "Proposed. Nothing may be spent of it before another data owner confirms it.")
            return redirect("cap-raise", made.pk)
        except PrivacyError as refusal:
            form.add_error("rho", f"{str(refusal).capitalize()}.")
    context = {"form": form, "dataset": dataset, **at_stake(dataset)}
    return render(http, "privacy/cap_propose.html", context)


@require_safe
def raise_list(http: HttpRequest) -> HttpResponse:
    policies.require(policies.may_register(http.user), OWNERS)
    found = CapRaise.objects.select_related(*SHOWN_WITH).order_by("-proposed_at")
    page = Paginator(found, PAGE).get_page(http.GET.get("page"))
    return render(http, "privacy/cap_list.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
def raise_page(http: HttpRequest, pk: UUID) -> HttpResponse:
    """One proposal: what it would change, and the button, or in words why not."""
    policies.require(policies.may_register(http.user), OWNERS)
    proposal = get_object_or_404(CapRaise.objects.select_related(*SHOWN_WITH), pk=pk)
    problem = ""
    if http.method == "POST":
        try:
            caps.confirm_raise(by=http.user, proposal=proposal)
            messages.success(http, "Confirmed: the higher cap is in force.")
            return redirect("cap-raise", pk)
        except PrivacyError as refusal:
            problem = f"{str(refusal).capitalize()}."
    return render(http, "privacy/cap_raise.html", shown(proposal, http.user) | {"problem": problem})


@require_http_methods(["GET", "HEAD", "POST"])
def end_page(http: HttpRequest, pk: UUID) -> HttpResponse:
    """Decline a proposal as its second owner, or withdraw one's own."""
    policies.require(policies.may_register(http.user), OWNERS)
    proposal = get_object_or_404(CapRaise.objects.select_related(*SHOWN_WITH), pk=pk)
    mine = policies.may_withdraw_raise(http.user, proposal)
    policies.require(mine or policies.may_confirm_raise(http.user, proposal), OWNERS)
    if not proposal.waits:
        messages.info(http, "It was decided meanwhile.")
        return redirect("cap-raise", pk)
    form = EndForm(http.POST or None)
    if http.method == "POST" and form.is_valid():
        try:
            (caps.withdraw_raise if mine else caps.decline_raise)(by=http.user, proposal=proposal, **form.cleaned_data)
            messages.success(http, "Withdrawn." if mine else "Declined. Whoever proposed it reads why.")
            return redirect("cap-raise", pk)
        except PrivacyError as refusal:
            form.add_error(None, f"{str(refusal).capitalize()}.")
    return render(http, "privacy/cap_end.html", {"form": form, "proposal": proposal, "mine": mine})


def shown(proposal: CapRaise, user: Any) -> dict[str, Any]:
    budget = selectors.budget(proposal.population_id)
    step = max(Decimal(0), proposal.rho - budget.cap)
    return {
        "proposal": proposal,
        "budget": budget,
        "step": step,
        "epsilon": {"now": budget.epsilon(budget.cap), "then": budget.epsilon(proposal.rho)},
        "denial": why_not(proposal, user),
        "mine": policies.may_withdraw_raise(user, proposal),
    }


def why_not(proposal: CapRaise, user: Any) -> str:
    """Why this person may not confirm it, or an empty string."""
    if proposal.entry_id is not None:
        return f"{proposal.confirmed_by} confirmed it."
    if proposal.ended_at is not None:
        return f"{proposal.ended_by} {'withdrew' if proposal.withdrawn else 'declined'} it."
    if proposal.proposed_by_id == user.pk:
        return "A second data owner confirms it, never whoever proposed it."
    return "" if policies.may_confirm_raise(user, proposal) else "You decide nothing on the day after a reset."
