"""Roles: what nobody may hold together, and what each may never do."""

from __future__ import annotations

import pytest

from llmsynthor_site.roles import CONFLICTS, ROLES, Admin, Auditor, DataOwner, Researcher, Steward, conflict


@pytest.mark.parametrize(
    "pair",
    [
        ("researcher", "steward"),
        ("owner", "steward"),
        ("owner", "researcher"),
        ("owner", "admin"),
        ("admin", "steward"),
    ],
)
def test_conflicting_roles(pair: tuple[str, str]) -> None:
    assert conflict(set(pair)) == frozenset(pair)


@pytest.mark.parametrize("role", [role for role in ROLES if role is not Auditor])
def test_an_auditor_is_nothing_else(role: type) -> None:
    assert conflict({"auditor", role.name})


def test_single_roles_and_researcher_admin_are_fine() -> None:
    assert all(conflict({role.name}) is None for role in ROLES)
    assert conflict({"researcher", "admin"}) is None
    assert all(len(pair) == 2 for pair in CONFLICTS)


def test_only_stewards_vote_and_only_researchers_ask() -> None:
    assert [role for role in ROLES if "synthesis.review_request" in role.permissions] == [Steward]
    assert [role for role in ROLES if "synthesis.make_request" in role.permissions] == [Researcher]
    assert [role for role in ROLES if "privacy.register_dataset" in role.permissions] == [DataOwner]


def test_administrators_hold_no_data_ledger_or_prompts() -> None:
    assert not any(permission.startswith(("privacy.", "audit.")) for permission in Admin.permissions)
    assert "synthesis.view_prompts" not in Admin.permissions


def test_auditors_change_nothing() -> None:
    verbs = {permission.split(".")[1].split("_")[0] for permission in Auditor.permissions}
    assert verbs <= {"view", "export"}
