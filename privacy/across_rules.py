"""``unitRules`` of related tables: what a unit's columns and its number of members have to do with each other, and with
its members' columns (nobody under age lives alone).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from privacy import rule_meaning
from privacy.rule_syntax import RuleError
from privacy.schema_fields import Column
from privacy.schema_reading import PartReader, Reader
from privacy.validity import Contradiction, Validity, Zero
from privacy.values import Axis, Clique, Domain, HardRule

MOST_RULES, LONGEST_REASON = 200, 500
MOST_KINDS = 2**12
"""Kinds of units, as far as rules tell them apart, that are tried one by one."""


def declared(reader: Reader, key: str) -> list[Any]:
    """The rules of a table under this key, unread."""
    found = reader.get(key) if reader.has(key) else []
    if isinstance(found, list) and len(found) <= MOST_RULES:
        return found
    reader.problem(f"'{key}' must be a list of at most {MOST_RULES} rules")
    return []


def read(top: Reader, rules: Sequence[Any], *, table: str, what: str, columns: Mapping[str, Column]) -> list[HardRule]:
    """Rules over these columns, by the names that rules use; problems are noted by rule and character."""
    found = []
    for number, value in enumerate(rules, start=1):
        reader = PartReader(value, column="", problems=top.problems, what=f"table {table}: {what} {number}")
        text, reason = reader.text("rule"), reader.text("reason", default="", most=LONGEST_REASON)
        reader.done()
        rule = compiled(top, columns, reader.what, text, reason) if text else None
        found += [rule] if rule else []
    return found


def compiled(top: Reader, columns: Mapping[str, Column], what: str, text: str, reason: str) -> HardRule | None:
    """A rule over these columns; None after noting a problem."""
    try:
        return rule_meaning.compiled(text, reason, columns)
    except RuleError as error:
        top.problem(f"{what}, character {error.position}: {error.problem}")
        return None


def renamed(rule: HardRule, names: Mapping[str, str]) -> HardRule:
    """The same rule, its columns called as ``names`` say, the others as they are."""
    axes = tuple(Axis(names.get(axis.column, axis.column), axis.bins) for axis in rule.clique.axes)
    return HardRule(rule.text, rule.reason, Clique(axes), rule.allowed)


def check(
    top: Reader, units: Sequence[HardRule], members: Sequence[HardRule], of_units: Domain, of_members: Domain
) -> None:
    """Some unit can keep its rules, and of every kind that does, a member can keep its own."""
    both = Domain(of_units.columns + of_members.columns, of_units.sizes + of_members.sizes)
    across = [rule for rule in members if set(rule.clique.columns) & set(of_units.columns)]
    named = list(dict.fromkeys(c for rule in across for c in rule.clique.columns if c in of_units.columns))
    kinds = [np.unique(_view(name, across, of_units.size(name)), return_index=True)[1].tolist() for name in named]
    if np.prod([float(len(kind)) for kind in kinds]) > MOST_KINDS:
        top.problem(f"'unitRules' tell more than {MOST_KINDS} kinds of units apart: name fewer columns")
        return
    if not kept(units, of_units):
        top.problem("no unit that keeps all of its rules was found: they contradict each other, or are too tangled")
    for codes in product(*kinds):
        fixed = [only(name, code, of_units.size(name)) for name, code in zip(named, codes, strict=True)]
        if kept([*units, *fixed], of_units) and not kept([*units, *members, *fixed], both):
            top.problem(
                "'unitRules' leave some units that keep their own rules without any member that could be theirs"
            )
            return


def _view(name: str, rules: Sequence[HardRule], size: int) -> Any:
    """Code -> bin: codes that no rule tells apart share a bin."""
    axes = [axis.bins or tuple(range(size)) for rule in rules for axis in rule.clique.axes if axis.column == name]
    return np.unique(np.array(axes), axis=1, return_inverse=True)[1].ravel()


def only(name: str, code: int, size: int) -> HardRule:
    """That a column of so many codes has this one."""
    return HardRule("", "", Clique.of(name), np.arange(size) == code)


def kept(rules: Sequence[HardRule], domain: Domain) -> bool:
    """Whether a record that keeps all rules was found."""
    try:
        Validity([Zero.of(rule, domain) for rule in rules], [np.ones(size) for size in domain.sizes])
    except Contradiction:
        return False
    return True
