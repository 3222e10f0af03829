"""The declaration's ``rules``: what holds for every record, as the owner knows it without looking at the data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import cast

import numpy as np

from privacy import rule_meaning
from privacy.rule_syntax import RuleError
from privacy.schema_dates import PARTS, DatePart
from privacy.schema_fields import Column
from privacy.schema_keys import Undiscovered
from privacy.schema_reading import Reader
from privacy.validity import Contradiction, Validity, Zero
from privacy.values import Domain, HardRule, IntArray

MOST_RULES = 200
LONGEST_REASON = 500


def read_rules(top: Reader, columns: Sequence[Column]) -> tuple[HardRule, ...]:
    """Every rule, and what follows for the parts of dates they name; problems are noted by rule and character."""
    if not top.has("rules"):
        return ()
    values = top.get("rules")
    if not isinstance(values, list) or len(values) > MOST_RULES:
        top.problem(f"'rules' must be a list of at most {MOST_RULES} rules")
        return ()
    before, named = len(top.problems), {column.name: column for column in columns}
    found = [_rule(top, value, number, named) for number, value in enumerate(values, start=1)]
    rules = [rule for rule in found if rule is not None]
    if len(top.problems) == before:
        rules += calendars({axis.column for rule in rules for axis in rule.clique.axes}, columns)
        _check_together(top, rules, columns)
    return tuple(rules)


def _rule(top: Reader, value: object, number: int, columns: Mapping[str, Column]) -> HardRule | None:
    before = len(top.problems)
    reader = Reader(value, column="", problems=top.problems, what=f"rule {number}")
    text, reason = reader.text("rule"), reader.text("reason", default="", most=LONGEST_REASON)
    reader.done()
    if len(top.problems) > before:
        return None
    try:
        return _declared(reader, rule_meaning.compiled(text, reason, columns), number, columns)
    except RuleError as error:
        reader.column = error.column
        reader.problem(f"rule {number}, character {error.position}: {error.problem}")
        return None


def _declared(reader: Reader, rule: HardRule, number: int, columns: Mapping[str, Column]) -> HardRule | None:
    """The rule, where the categories of all its columns are declared: a release could find others."""
    for name in rule.clique.columns:
        if isinstance(columns[name].coding, Undiscovered):
            reader.column = name
            reader.problem(f"rule {number} names a column whose categories are not declared but searched")
            return None
    return rule


def _check_together(top: Reader, rules: Sequence[HardRule], columns: Sequence[Column]) -> None:
    """Some record must be able to keep all rules at once."""
    domain = Domain.from_mapping({column.name: column.size for column in columns})
    try:
        Validity([Zero.of(rule, domain) for rule in rules], [np.ones(size) for size in domain.sizes])
    except Contradiction:
        top.problem("no record that keeps all of 'rules' was found: they contradict each other, or are too tangled")


def calendars(named: Collection[str], columns: Sequence[Column]) -> list[HardRule]:
    """For each field of dates of which a part is ``named`` by rules: its parts are those of one day.

    Otherwise the written value, which keeps the coarser parts where no day has them all, could break the rule.
    """
    sources = dict.fromkeys(c.source for c in columns if c.name in named and isinstance(c.coding, DatePart))
    found = []
    for source in sources:
        parts = [column for column in columns if column.source == source]
        views, allowed = _days(parts)
        if not allowed.all():
            told = f"what the rules need of {source}: its parts are those of one day"
            found.append(rule_meaning.rule_of(told, "", views, allowed))
    return found


def _days(parts: Sequence[Column]) -> tuple[dict[str, IntArray], np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Which combinations of parts some day between the bounds has; all are missing together, or none is."""
    codings = [cast("DatePart", column.coding) for column in parts]
    days = codings[0].calendar.days
    views, places = {}, []
    for column, part in zip(parts, codings, strict=True):
        if part.part == "hour":  # every day has every hour: only whether it is missing matters
            views[column.name] = np.arange(column.size) // part.size
            places.append(np.zeros(len(days), np.int64))
        else:
            views[column.name] = np.arange(column.size)
            places.append(np.searchsorted(part.values, days[:, PARTS.index(part.part)]))
    allowed = np.zeros([int(view.max()) + 1 for view in views.values()], bool)
    allowed[tuple(places)] = True
    if parts[0].nullable:
        allowed[(-1,) * allowed.ndim] = True
    return views, allowed
