import itertools

import pytest

from audit.workflow import Transition, Workflow, WorkflowError


def row(name, sources, target, *, permission="write", guard=None):
    return Transition(
        name=name, label=name.title(), sources=sources, target=target, permission=permission,
        event=f"test:doc:{name}", denial=f"You may not {name}.", guard=guard,
    )  # fmt: skip


FLOW = Workflow(
    "document",
    "draft",
    (
        row("submit", ("draft", "returned"), "review"),
        row("approve", ("review",), "done", permission="review", guard="not_author"),
        row("return", ("review",), "returned", permission="review", guard=lambda subject: subject == "flawed"),
    ),
)


@pytest.mark.parametrize(
    ("state", "may", "other", "subject"), list(itertools.product(FLOW.states, [0, 1], [0, 1], ["flawed", "fine"]))
)
def test_every_state_permission_and_guard(state, may, other, subject):
    offered = FLOW.allowed_actions(
        state, has_perm=lambda _: bool(may), guard_results={"not_author": bool(other)}, subject=subject
    )
    expected = {
        "draft": {"submit": may},
        "returned": {"submit": may},
        "review": {"approve": may and other, "return": may and subject == "flawed"},
        "done": {},
    }[state]
    assert {action.name: action.allowed for action in offered} == expected
    for action in offered:
        assert action.denial == ("" if action.allowed else f"You may not {action.name}.")
        assert action.reason == ("" if action.allowed else "guard" if may else "permission")


def test_a_guard_nobody_answered_is_never_a_yes():
    with pytest.raises(WorkflowError, match="not_author"):
        FLOW.allowed_actions("review", has_perm=lambda _: True, subject="flawed")


def test_acts_are_found_in_their_states_only():
    assert FLOW.find("submit", "returned").target == "review"
    with pytest.raises(WorkflowError):
        FLOW.find("submit", "done")


def test_tables_with_two_answers_or_unreachable_states_are_refused():
    with pytest.raises(WorkflowError, match="same name"):
        Workflow("bad", "a", (row("go", ("a",), "b"), row("go", ("a",), "c")))
    with pytest.raises(WorkflowError, match="no transition leads to z"):
        Workflow("bad", "a", (row("go", ("z",), "b"),))


def test_the_diagram_shows_every_row():
    assert FLOW.mermaid() == (
        "stateDiagram-v2\n    [*] --> draft\n    draft --> review: Submit\n    returned --> review: Submit\n"
        "    review --> done: Approve\n    review --> returned: Return\n    done --> [*]\n"
    )
