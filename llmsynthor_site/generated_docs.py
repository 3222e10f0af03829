"""Pages of docs/ that are written from the code's own tables, so that they cannot go stale."""

from __future__ import annotations

from audit.facts import ATTACHMENTS, ERASABLE, FACTS, NOT_LOGGED, UNTIMED
from audit.verify import NOT_COVERED
from llmsynthor_site.roles import CONFLICTS, ROLES
from synthesis.states import RequestState
from synthesis.workflow import REQUEST, WAITING_FOR

NOTE = "<!-- Written by `make docs` from the code; changes here are lost. -->\n\n"

COMING_AND_GOING = (
    "the console (`manage.py add_person`) makes the first people alone. After that an administrator proposes a role "
    "and another administrator, or a data owner, confirms it; nobody proposes or confirms anything about themselves",
    "pairs that nobody may hold are refused when a role is proposed, when it is confirmed and by the database; whoever "
    "should hold such a pair all the same can use neither role, at any step",
    "one administrator takes a role away, at once: every session of that person ends, and it counts at the next step "
    "of a request even where a page is open. Approvals of whoever is no steward any more open no gate; rejections "
    "stand. The last administrator stays",
    "a new password is proposed and confirmed in the same way. The old one and every session end; the person chooses a "
    "new one at an address that works once, for 24 hours, and in these 24 hours decides nothing",
    "owners, stewards, auditors and administrators need a second factor (signing-in.md). Resetting it takes two people "
    "too, ends every session, and suspends what the person decides for 24 hours",
)

ORGANISATIONS = (
    "people may belong to organisations, which gives nobody a role. An administrator adds an organisation and proposes "
    "people for it; a second person confirms, as with a role. One administrator ends a membership at once",
    "a dataset's owner may limit it to researchers of some organisations (`privacy/audiences.py`). Everybody else with "
    "the role finds it in no list, form or address. Every step asks again: whoever is not inside any more cannot "
    "submit, ask for more time or download, and the gates say so. Stewards and auditors see every dataset",
    "belonging to the same organisation opens nobody else's requests: a researcher sees no other project",
)


def pages() -> dict[str, str]:
    """File name in docs/ -> its whole text."""
    return {"workflow.md": workflow(), "roles.md": roles(), "logged-events.md": logged_events()}


def workflow() -> str:
    rows = [
        f"| {row.label} | {labels(row.sources)} | {labels((row.target,))} "
        f"| {holders(row.permission) if row.permission else 'the appliance'} | `{row.event}` |"
        for row in REQUEST.transitions
    ]
    states = [f"| {state.label} | {WAITING_FOR.get(state, 'nobody: it has ended')} |" for state in RequestState]
    return (
        NOTE
        + "# The request, from draft to download\n\n"
        + "One table in `synthesis/workflow.py` drives guards, buttons and this page.\n\n"
        + f"```mermaid\n{REQUEST.mermaid()}```\n\n"
        + "| step | from | to | who | event in the log |\n|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n\n## Whose move it is\n\n| state | waits for |\n|---|---|\n"
        + "\n".join(states)
        + "\n"
    )


def labels(states: tuple[str, ...]) -> str:
    return ", ".join(RequestState(state).label for state in states)


def holders(permission: str) -> str:
    return ", ".join(role.display_name for role in ROLES if permission in role.permissions)


def roles() -> str:
    parts = [
        f"## {role.display_name}\n\n{role.description}\n\nNever {role.never}.\n\n"
        + "Permissions: "
        + ", ".join(f"`{name}`" for name in sorted(role.permissions))
        + ".\n"
        for role in ROLES
    ]
    pairs = "\n".join(f"- {' and '.join(pair)}" for pair in sorted(sorted(pair) for pair in CONFLICTS))
    return (
        f"{NOTE}# Roles\n\n"
        + "\n".join(parts)
        + f"\n## Roles nobody may hold together\n\n{pairs}\n"
        + f"\n## How roles come and go\n\n{points(COMING_AND_GOING)}"
        + f"\n## Organisations\n\n{points(ORGANISATIONS)}"
    )


def logged_events() -> str:
    rows = [f"| `{action}` | {', '.join(facts)} |" for action, facts in sorted(FACTS.items())]
    attached = [
        f"| `{action}` | {name} | {what} | {'yes' if name in ERASABLE else 'no'} |"
        for action, parts in sorted(ATTACHMENTS.items())
        for name, what in parts.items()
    ]
    return (
        NOTE
        + "# What the audit log holds\n\n"
        + "Every entry names the action, who, what about, and when; these actions must also carry (an action may carry "
        + "more; a row that ends in `*` stands for every action it begins). A test compares this table with the code, "
        + "in both directions.\n\n"
        + "| action | facts |\n|---|---|\n"
        + "\n".join(rows)
        + "\n\nEntries of the privacy room are refused when they carry row counts, sizes, durations or values. "
        + f"{untimed()}\n\n"
        + "## Attachments\n\nKept encrypted beside the log, and part of every export. The entry holds their id and a "
        + "salted hash. What is erasable, two data stewards may destroy together; the hash then proves nothing about "
        + "it any more, and the proof that the log is whole stays.\n\n"
        + "| action | attachment | what it is | erasable |\n|---|---|---|---|\n"
        + "\n".join(attached)
        + "\n\n## What is not logged\n\n"
        + points(NOT_LOGGED)
        + "\n## What the log cannot show\n\n"
        + points(NOT_COVERED)
    )


def untimed() -> str:
    named = " and ".join(f"`{action}`" for action in sorted(UNTIMED))
    return f"Entries of {named} carry the time of the entry before them, which does not depend on the data."


def points(texts: tuple[str, ...]) -> str:
    return "".join(f"- {text}.\n" for text in texts)
