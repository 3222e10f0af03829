"""Raising a population's cap: one data owner proposes it, another one confirms it, and only then it counts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit import events
from audit.actors import actor
from privacy import ledger, policies, selectors
from privacy.accounting import rho_down
from privacy.errors import PrivacyError
from privacy.models import CapRaise, LedgerEntry, Population


@transaction.atomic
def propose_raise(
    *, by: Any, population: Population, rho: Decimal, delta: Decimal | None = None, reason: str
) -> CapRaise:
    """Ask for a higher cap: ``rho`` (and ``delta`` for key discovery) are the whole new cap, not a step.

    Nothing may be spent from it until :func:`confirm_raise`. PrivacyError, naming the rule, for no raise at all.
    """
    policies.require(policies.may_propose_raise(by, population), "Only the population's owner proposes a higher cap.")
    now = selectors.budget(population.pk)
    wished = _checked(rho, now.cap_delta if delta is None else delta)
    if wished[0] < now.cap or wished[1] < now.cap_delta or wished == (now.cap, now.cap_delta):
        raise PrivacyError("a cap is only ever raised: the new one must be above the one in force")
    if not reason.strip():
        raise PrivacyError("a higher cap needs a reason, which its second owner and every auditor will read")
    proposal = CapRaise.objects.create(
        population=population, rho=wished[0], delta=wished[1], reason=reason.strip()[:4000], proposed_by=by
    )
    facts = {"population": str(population.pk), "proposal": str(proposal.pk), "rho": f"{wished[0]:f}",
             "delta": f"{wished[1]:f}", "reason": proposal.reason}  # fmt: skip
    events.record(action="privacy:cap_raise:proposed", by=actor(by), subject=f"population:{population.pk}", facts=facts)
    return proposal


@transaction.atomic
def confirm_raise(*, by: Any, proposal: CapRaise) -> LedgerEntry:
    """Put a proposed cap in force. PermissionDenied for whoever proposed it, and for anyone but a data owner."""
    held = CapRaise.objects.select_for_update().select_related("population").get(pk=proposal.pk)
    policies.require(
        policies.may_confirm_raise(by, held), "A second data owner confirms a higher cap, never whoever proposed it."
    )
    _check_waits(held)
    if held.entry_id is None and not policies.still_proposes(held):
        raise PrivacyError("whoever proposed it may not any more, or their access was just reset: propose it anew")
    entry = ledger.cap_raise(proposal=held, by=by)
    if held.entry_id is None:
        held.confirmed_by, held.entry = by, entry
        held.save(update_fields=["confirmed_by", "entry"])
    return entry


@transaction.atomic
def decline_raise(*, by: Any, proposal: CapRaise, reason: str) -> CapRaise:
    """End a proposal that waits, as its second data owner; whoever proposed it withdraws it instead."""
    held = _held(proposal)
    policies.require(
        policies.may_confirm_raise(by, held), "A second data owner declines a higher cap, never whoever proposed it."
    )
    return _ended(held, by, "declined", reason)


@transaction.atomic
def withdraw_raise(*, by: Any, proposal: CapRaise, reason: str) -> CapRaise:
    """Take one's own proposal back while it waits."""
    held = _held(proposal)
    policies.require(policies.may_withdraw_raise(by, held), "Whoever proposed a higher cap withdraws it.")
    return _ended(held, by, "withdrawn", reason)


def _held(proposal: CapRaise) -> CapRaise:
    return CapRaise.objects.select_for_update().get(pk=proposal.pk)


def _check_waits(proposal: CapRaise) -> None:
    """A repeated confirmation finds its line; what was declined or withdrawn stays so."""
    if proposal.ended_at is not None:
        raise PrivacyError("this proposal was declined or withdrawn; a new one can be made")


def _ended(held: CapRaise, by: Any, what: str, reason: str) -> CapRaise:
    _check_waits(held)
    if held.entry_id is not None:
        raise PrivacyError("this proposal was confirmed: the higher cap is in force")
    if not reason.strip():
        raise PrivacyError("say why: the other data owner and every auditor will read it")
    held.ended_by, held.ended_at, held.ended_because = by, timezone.now(), reason.strip()[:4000]
    held.save(update_fields=["ended_by", "ended_at", "ended_because"])
    facts = {"population": str(held.population_id), "proposal": str(held.pk), "reason": held.ended_because}
    events.record(
        action=f"privacy:cap_raise:{what}", by=actor(by), subject=f"population:{held.population_id}", facts=facts
    )
    return held


def _checked(rho: Decimal, delta: Decimal) -> tuple[Decimal, Decimal]:
    if not (rho.is_finite() and 0 < rho < ledger.LARGEST):
        raise PrivacyError(f"a cap must be above 0 and below {ledger.LARGEST}")
    if not (delta.is_finite() and 0 <= delta < 1):
        raise PrivacyError("the delta of a cap must be at least 0 and below 1")
    return rho_down(rho), delta
