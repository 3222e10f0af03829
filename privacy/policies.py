"""Whether a person may do something to this dataset or population; roles say what they may do at all."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied

from privacy import selectors
from privacy.models import CapRaise, Dataset, Population
from privacy.permissions import LEDGER, REGISTER, VIEW


def may_register(user: Any) -> bool:
    return bool(user.has_perm(REGISTER))


def may_upload(user: Any, dataset: Dataset) -> bool:
    """Only the owner, and only while still a data owner."""
    return may_register(user) and dataset.owner_id == user.pk


def may_view(user: Any, dataset: Dataset) -> bool:
    """Owners see their own datasets; those who review or audit see all, researchers what they may ask for."""
    if may_register(user):
        return bool(dataset.owner_id == user.pk)
    return bool(user.has_perm(VIEW) or selectors.visible_dataset(user, dataset.pk))


def sees_everything_of(user: Any, dataset: Dataset) -> bool:
    """Whether columns not declared public, file names and numbers of rows may be shown to this person."""
    return may_view(user, dataset) and bool(user.has_perm(VIEW))


def may_view_ledger(user: Any, population: Population) -> bool:
    if not user.has_perm(LEDGER):
        return False
    return bool(population.owner_id == user.pk) if may_register(user) else True


def may_propose_raise(user: Any, population: Population) -> bool:
    return may_register(user) and population.owner_id == user.pk


def may_confirm_raise(user: Any, proposal: CapRaise) -> bool:
    """Any other data owner; never whoever proposed it, nor anyone whose password others have just reset."""
    return may_register(user) and not user.is_suspended and proposal.proposed_by_id != user.pk


def still_proposes(proposal: CapRaise) -> bool:
    """Whether whoever proposed it could do so now: both of the two owners who raise a cap are owners then."""
    by = proposal.proposed_by
    return may_propose_raise(by, proposal.population) and not by.is_suspended


def may_waive(user: Any, dataset: Dataset) -> bool:
    """The dataset's owner alone, while still a data owner whose password nobody else has just reset."""
    return may_upload(user, dataset) and not user.is_suspended


def may_destroy(user: Any, dataset: Dataset) -> bool:
    """Who may end the data's time cannot take it back, so it is the owner alone, as for a waiver."""
    return may_waive(user, dataset)


def may_withdraw_raise(user: Any, proposal: CapRaise) -> bool:
    return may_register(user) and proposal.proposed_by_id == user.pk


def require(allowed: bool, denial: str) -> None:
    """PermissionDenied with words for the person who was refused."""
    if not allowed:
        raise PermissionDenied(denial)
