"""Hard rules that somebody suggests for a declared table: read as the owner's own are, and no more than text till then.

A suggestion calls columns by their codes. It is parsed, compiled over the declaration and tried together with the rules
already there; nothing of it is evaluated, and nothing depends on data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from privacy import rule_meaning, rule_syntax, selectors
from privacy.problems import Problem, SchemaError
from privacy.rule_syntax import RuleError
from privacy.schema import Schema
from privacy.schema_keys import Undiscovered
from privacy.schema_reading import Reader, load
from privacy.schema_rules import read_rules
from privacy.values import HardRule

Rule = Mapping[str, str]
"""``rule`` and ``reason``, as a declaration writes them."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A suggestion that could be a rule of this table: its text with the columns' own names, and which they are."""

    rule: str
    reason: str
    columns: tuple[str, ...]


def rules(of: Any, added: Sequence[Rule] = ()) -> tuple[HardRule, ...]:
    """The declared rules with these added, and what follows for parts of dates. SchemaError where they cannot stand."""
    return _together(selectors.schema(of), added) if added else selectors.rules(of)


def in_words(of: Any, added: Sequence[Rule] = ()) -> list[dict[str, Any]]:
    """The same as plain JSON, as ``selectors.rules_in_words`` tells the declared ones."""
    return [
        {"rule": rule.text, "reason": rule.reason, "columns": list(rule.clique.columns)} for rule in rules(of, added)
    ]


def fitting(of: Any, told: Iterable[tuple[str, str]], codes: Mapping[str, str]) -> tuple[list[Fit], list[str]]:
    """Those of (text, reason) that could be rules beside the declared ones, and why each other one could not.

    ``codes``: what each column is called in the texts. Reasons quote nothing of a suggestion.
    """
    schema, found, problems = selectors.schema(of), list[Fit](), list[str]()
    known = {rule.text for rule in schema.rules}
    for text, reason in told:
        try:
            fit = _fit(schema, rule_syntax.renamed(text, codes), reason)
            if fit.rule in known:
                raise RuleError("a rule of this text is there already", 1)
            _together(schema, [_told(fit)])
        except RuleError as error:
            problems.append(error.problem)
        except SchemaError:
            problems.append("it contradicts the declared rules, or is too tangled with them")
        else:
            known.add(fit.rule)
            found.append(fit)
    return found, problems


def _fit(schema: Schema, text: str, reason: str) -> Fit:
    columns = {column.name: column for column in schema.columns}
    rule = rule_meaning.compiled(text, reason, columns)
    if any(isinstance(columns[name].coding, Undiscovered) for name in rule.clique.columns):
        raise RuleError("it names a column whose categories are not declared but searched", 1)
    return Fit(rule.text, reason, rule.clique.columns)


def _told(fit: Fit) -> Rule:
    return {"rule": fit.rule, "reason": fit.reason}


def _together(schema: Schema, added: Sequence[Rule]) -> tuple[HardRule, ...]:
    """Declared and added rules, read as one declaration."""
    problems: list[Problem] = []
    declared = load(schema.text).get("rules", [])
    reader = Reader({"rules": [*declared, *added]}, column="", problems=problems, what="the rules")
    found = read_rules(reader, schema.columns)
    if problems:
        raise SchemaError(problems)
    return found
