"""The table of events (audit/facts.py) and the code agree, in both directions: what is written is listed, and what is
listed is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from audit.facts import ATTACHMENTS, FACTS
from privacy.models import LedgerEntry
from synthesis.workflow import REQUEST

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("llmsynthor_site", "synthesis", "privacy", "audit")
WRITERS = ("record", "append", "Event")
SOURCES = {
    str(path.relative_to(ROOT)): path.read_text()
    for room in ROOMS
    for path in (ROOT / room).rglob("*.py")
    if "migrations" not in path.parts
}


@cache
def nodes(source: str) -> tuple[ast.AST, ...]:
    return tuple(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call | ast.Assign))


def calls(source: str, *names: str) -> Iterator[ast.Call]:
    for node in nodes(source):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in names:
            yield node


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == name), None)


def told_as(expression: ast.expr) -> str:
    """An action as it stands in a call: its text, with * for a part that is filled in; '' where it is passed on."""
    if isinstance(expression, ast.Constant):
        return str(expression.value)
    if isinstance(expression, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in expression.values)
    return ""


def in_calls(sources: Mapping[str, str]) -> dict[str, str]:
    """Every action that a call writes, and the file it was found in."""
    return {
        action: name
        for name, source in sources.items()
        for call in calls(source, *WRITERS)
        if (given := keyword(call, "action")) is not None and (action := told_as(given))
    }


def names_in(expression: ast.expr, source: str) -> Iterator[str]:
    """The actions an ``action=name`` may stand for: what is assigned to that name in the same file."""
    for node in nodes(source):
        if isinstance(node, ast.Assign) and isinstance(expression, ast.Name):
            targets = [getattr(target, "id", "") for target in node.targets]
            if expression.id in targets and (action := told_as(node.value)):
                yield action


def prompt_steps() -> set[str]:
    """The last part of every entry about a prompt: what audit/prompts.py passes on as its tag."""
    steps = calls(SOURCES["audit/prompts.py"], "_append", "_close")
    return {str(call.args[1].value) for call in steps if isinstance(call.args[1], ast.Constant)}


def told(file: str, function: str, place: int) -> set[str]:
    """The constants that calls of a function in one file hand over at one place."""
    given = (call.args[place] for call in calls(SOURCES[file], function) if len(call.args) > place)
    return {str(one.value) for one in given if isinstance(one, ast.Constant)}


FILLED = {
    "privacy:ledger:*": {kind.lower() for kind in LedgerEntry.Kind.values},
    "audit:prompt:*": prompt_steps(),
    "audit:witness:*": told("audit/witnessing.py", "_tell", 0),
    "privacy:cap_raise:*": told("privacy/caps.py", "_ended", 2),
    "privacy:waiver:*": told("privacy/waivers.py", "_tell", 1),
    "synthesis:kill_switch:*": told("synthesis/switches.py", "tell", 1),
    "site:webhook:*": told("llmsynthor_site/webhooks.py", "tell", 1),
}


def written(sources: Mapping[str, str]) -> set[str]:
    """Every action the code writes, with the filled-in parts written out."""
    found = set(in_calls(sources))
    for source in sources.values():
        for call in calls(source, *WRITERS):
            if (given := keyword(call, "action")) is not None:
                found |= set(names_in(given, source))
    found |= {row.event for row in REQUEST.transitions}
    spelled = {action for action in found if "*" not in action}
    for pattern in found - spelled:
        spelled |= {pattern.replace("*", step) for step in FILLED[pattern]}
    return spelled


def unlisted(actions: set[str], table: Mapping[str, object]) -> list[str]:
    starred = [row[:-1] for row in table if row.endswith("*")]
    return sorted(one for one in actions if one not in table and not one.startswith(tuple(starred)))


def unwritten(actions: set[str], table: Mapping[str, object]) -> list[str]:
    return sorted(
        row
        for row in table
        if row not in actions and not (row.endswith("*") and any(one.startswith(row[:-1]) for one in actions))
    )


def test_every_action_the_code_writes_is_in_the_table() -> None:
    actions = written(SOURCES)
    assert len(actions) > 40
    assert unlisted(actions, FACTS) == []


def test_every_row_of_the_table_is_written_somewhere() -> None:
    assert unwritten(written(SOURCES), FACTS) == []


def test_every_action_named_in_the_code_is_found_by_this_test() -> None:
    """A call that hides its action behind a name of another file would be missed, so look for the texts as well."""
    shaped = re.compile(r"(?:site|privacy|synthesis|audit):[a-z_]+:[a-z_]+")
    texts = {match for source in SOURCES.values() for match in shaped.findall(source)}
    assert sorted(texts - written(SOURCES) - set(FACTS)) == []


def test_an_unlisted_action_and_an_unwritten_row_are_caught() -> None:
    planted = {"planted.py": 'events.record(action="site:secret:kept", by=by, subject="x", facts={})'}
    assert unlisted(written(SOURCES | planted), FACTS) == ["site:secret:kept"]
    by_name = {"planted.py": 'name = "site:secret:kept"\nevents.append(action=name, by=by)'}
    assert unlisted(written(SOURCES | by_name), FACTS) == ["site:secret:kept"]
    assert unwritten(written(SOURCES), {**FACTS, "site:thing:never": ()}) == ["site:thing:never"]


def test_the_attachments_are_those_of_the_table() -> None:
    """Bodies are sealed in two places: as attachments of an event, and as the parts of a prompt."""
    kinds = {
        str(kind.value)
        for source in SOURCES.values()
        for call in calls(source, "sealed")
        if isinstance(kind := keyword(call, "kind"), ast.Constant)
    }
    attached = set(re.findall(r'attached(?:\[| = \{)"(\w+)"', SOURCES["privacy/measuring.py"]))
    assert attached == set(ATTACHMENTS["privacy:release:measured"])
    compared = set(re.findall(r'attached = \{"(\w+)"', SOURCES["privacy/disclosing.py"]))
    assert compared == set(ATTACHMENTS["privacy:check:measured"])
    assert kinds == {name for action, parts in ATTACHMENTS.items() if action.startswith("audit:") for name in parts}
    calling = {
        told_as(keyword(call, "action")) for source in SOURCES.values() for call in calls(source, "append")
        if keyword(call, "attachments") is not None
    }  # fmt: skip
    assert calling == {"privacy:release:measured", "privacy:check:measured"}
    assert set(ATTACHMENTS) <= set(FACTS)
