"""A workflow as one table: from where, to where, who, under which condition, leaving which event.

Buttons, tooltips, the API's list of allowed actions, the guard in the services and the diagram in the
documentation all read the same rows. Pure: it knows no model, no user and no Django.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Guard = str | Callable[[Any], bool] | None
"""The name of a condition evaluated by the caller, or a function of the subject, or no condition."""


class WorkflowError(ValueError):
    """A transition that the table does not have, or a condition nobody evaluated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One row. ``denial`` is what a person reads when they may not; ``event`` is the audit action left."""

    name: str
    label: str
    sources: tuple[str, ...]
    target: str
    permission: str
    event: str
    denial: str
    guard: Guard = None


@dataclass(frozen=True, slots=True)
class Action:
    """A transition out of the present state, and whether this person may take it now."""

    transition: Transition
    allowed: bool
    denial: str
    reason: Literal["", "permission", "guard"]

    @property
    def name(self) -> str:
        return self.transition.name

    @property
    def label(self) -> str:
        return self.transition.label


@dataclass(frozen=True, slots=True)
class Workflow:
    """The whole table. Names may repeat with different sources (the same act from different states)."""

    name: str
    initial: str
    transitions: tuple[Transition, ...]

    def __post_init__(self) -> None:
        taken = [(row.name, source) for row in self.transitions for source in row.sources]
        if len(set(taken)) != len(taken):
            raise WorkflowError(f"{self.name}: one state has two transitions of the same name")
        unreached = {source for _, source in taken} - {row.target for row in self.transitions}
        if unreached - {self.initial}:
            raise WorkflowError(f"{self.name}: no transition leads to {', '.join(sorted(unreached))}")

    @property
    def states(self) -> tuple[str, ...]:
        """Every state, in the order of the table, the initial one first."""
        named = [self.initial]
        for row in self.transitions:
            named += [*row.sources, row.target]
        return tuple(dict.fromkeys(named))

    def find(self, name: str, state: str) -> Transition:
        """The row for this act in this state; raises WorkflowError when the table has none."""
        for row in self.transitions:
            if row.name == name and state in row.sources:
                return row
        raise WorkflowError(f"{self.name}: '{name}' is not possible in state {state}")

    def allowed_actions(
        self,
        state: str,
        *,
        has_perm: Callable[[str], bool],
        guard_results: Mapping[str, bool] | None = None,
        subject: Any = None,
    ) -> tuple[Action, ...]:
        """Every act the table offers in ``state``, allowed or with the reason why not.

        ``guard_results`` answers the named guards; a guard nobody answered is an error, never a yes.
        """
        rows = [row for row in self.transitions if state in row.sources]
        return tuple(_judge(row, has_perm, guard_results or {}, subject) for row in rows)

    def mermaid(self) -> str:
        """The table as a Mermaid state diagram, for the documentation."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial}"]
        for row in self.transitions:
            lines += [f"    {source} --> {row.target}: {row.label}" for source in row.sources]
        leaves = [state for state in self.states if not any(state in row.sources for row in self.transitions)]
        return "\n".join(lines + [f"    {state} --> [*]" for state in leaves]) + "\n"


def _judge(row: Transition, has_perm: Callable[[str], bool], results: Mapping[str, bool], subject: Any) -> Action:
    if not has_perm(row.permission):
        return Action(row, False, row.denial, "permission")
    if not _holds(row, results, subject):
        return Action(row, False, row.denial, "guard")
    return Action(row, True, "", "")


def _holds(row: Transition, results: Mapping[str, bool], subject: Any) -> bool:
    if row.guard is None:
        return True
    if callable(row.guard):
        return bool(row.guard(subject))
    if row.guard not in results:
        raise WorkflowError(f"guard '{row.guard}' of '{row.name}' was not evaluated")
    return results[row.guard]
