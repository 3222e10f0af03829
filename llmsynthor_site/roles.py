"""The five roles, written so that they can be read aloud to the people who hold them."""

from __future__ import annotations

from typing import Any, ClassVar


class Role:
    name: ClassVar[str]
    display_name: ClassVar[str]
    description: ClassVar[str]
    never: ClassVar[str]
    permissions: ClassVar[frozenset[str]]


class DataOwner(Role):
    name = "owner"
    display_name = "Data owner"
    description = (
        "Registers datasets and declares what is in them, whose privacy is protected, and how much privacy "
        "loss the people in them may ever bear. Confirms who gets a role."
    )
    never = "votes on a request for their own dataset"
    permissions = frozenset(
        {
            "privacy.register_dataset",
            "privacy.view_dataset",
            "privacy.view_ledger",
            "synthesis.view_request",
            "synthesis.stop_egress",
            "synthesis.lift_stop",
            "llmsynthor_site.confirm_people",
        }
    )


class Steward(Role):
    name = "steward"
    display_name = "Data steward"
    description = (
        "Reviews each request three times: before anything is measured, before anything leaves for a "
        "proposer, and before the synthetic table is handed over. Two of them together may erase a prompt or an answer."
    )
    never = (
        "approves a request of their own, or sees a statistic of the data without noise (row counts of a file apart)"
    )
    permissions = frozenset(
        {
            "privacy.view_dataset",
            "privacy.view_ledger",
            "synthesis.view_request",
            "synthesis.review_request",
            "synthesis.stop_run",
            "synthesis.stop_egress",
            "synthesis.lift_stop",
            "synthesis.close_finding",
            "synthesis.view_prompts",
            "audit.erase_body",
        }
    )


class Researcher(Role):
    name = "researcher"
    display_name = "Researcher"
    description = "Asks for a synthetic table for a stated purpose, and downloads what was granted."
    never = "sees raw rows, row counts, checks against raw rows, or other people's projects"
    permissions = frozenset({"privacy.browse_catalogue", "synthesis.make_request", "synthesis.download_package"})


class Auditor(Role):
    name = "auditor"
    display_name = "Auditor"
    description = "Reads ledgers, prompts, answers, approvals and downloads, and proves that the log holds."
    never = "changes anything, or sees raw rows"
    permissions = frozenset(
        {
            "audit.view_log",
            "audit.export_log",
            "privacy.view_dataset",
            "privacy.view_ledger",
            "synthesis.view_request",
            "synthesis.view_prompts",
        }
    )


class Admin(Role):
    name = "admin"
    display_name = "Administrator"
    description = (
        "Looks after accounts, endpoints and the machines. Proposes who gets a role, which a second administrator or a "
        "data owner confirms."
    )
    never = "approves anything, or reads data, ledger or prompts"
    permissions = frozenset(
        {
            "llmsynthor_site.manage_people",
            "llmsynthor_site.confirm_people",
            "llmsynthor_site.watch_machines",
            "synthesis.manage_endpoints",
            "synthesis.stop_egress",
            "synthesis.close_finding",
        }
    )


ROLES: tuple[type[Role], ...] = (DataOwner, Steward, Researcher, Auditor, Admin)
BY_NAME: dict[str, type[Role]] = {role.name: role for role in ROLES}

# An auditor holds no other role at all; the other pairs would let one person both ask and answer.
CONFLICTS: frozenset[frozenset[str]] = frozenset(
    frozenset(pair)
    for pair in [
        ("researcher", "steward"),
        ("owner", "steward"),
        ("owner", "researcher"),
        ("owner", "admin"),
        ("steward", "admin"),
        *(("auditor", other) for other in ("owner", "steward", "researcher", "admin")),
    ]
)


# What one person decides only together with others. After a reset of the password none of it is possible for a while:
# whoever holds the new password might not be the person.
DECIDING = frozenset(
    {
        "synthesis.review_request",
        "synthesis.lift_stop",
        "audit.erase_body",
        "llmsynthor_site.manage_people",
        "llmsynthor_site.confirm_people",
    }
)


def roles_of(user: Any) -> tuple[type[Role], ...]:
    """The roles a signed-in person holds now, in the order they are listed above."""
    held = set(user.role_grants.filter(ended_at=None).values_list("role", flat=True))
    return tuple(role for role in ROLES if role.name in held)


def conflict(names: set[str]) -> frozenset[str] | None:
    """A pair of these roles that nobody may hold together, or None."""
    return next((pair for pair in CONFLICTS if pair <= names), None)


def permissions_of(roles: tuple[type[Role], ...]) -> frozenset[str]:
    """What these roles allow together; nothing at all while two of them may not be held by one person."""
    if conflict({role.name for role in roles}):
        return frozenset()
    return frozenset().union(*(role.permissions for role in roles))
