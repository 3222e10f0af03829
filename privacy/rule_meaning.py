"""From a rule's tree to the table of cells it allows, over the columns it names.

Codes of a column that the rule cannot tell apart share a bin of that table, so that a rule about two of a
thousand products stays a small table. Columns that turn out not to matter are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import cast

import numpy as np
from numpy.typing import NDArray

from privacy import rule_atoms
from privacy.rule_syntax import Among, Compare, Join, Missing, Name, Not, RuleError, Tree, Value, parse
from privacy.schema_fields import Column
from privacy.values import Axis, Clique, HardRule, IntArray

MOST_COLUMNS = 8
MOST_CELLS = 2**16

Grid = NDArray[np.bool_]


def compiled(text: str, reason: str, columns: Mapping[str, Column]) -> HardRule:
    """The rule over these declared columns, by name. RuleError where it is no rule about them."""
    tree = parse(text)
    conditions = [_condition(leaf, columns) for leaf in _leaves(tree)]
    named = tuple(dict.fromkeys(name for each in conditions for name in each.columns))
    if len(named) > MOST_COLUMNS:
        raise RuleError(f"a rule names at most {MOST_COLUMNS} columns", 1)
    views = {name: _view(name, conditions, columns[name].size) for name in named}
    if prod(int(view.max()) + 1 for view in views.values()) > MOST_CELLS:
        raise RuleError(f"the rule tells more than {MOST_CELLS} cells apart: split it", 1)
    allowed = _evaluated(tree, iter(conditions), views)
    sizes = [int(view.max()) + 1 for view in views.values()]
    return rule_of(text, reason, views, np.broadcast_to(allowed, sizes))


def rule_of(text: str, reason: str, views: Mapping[str, IntArray], allowed: Grid) -> HardRule:
    """The rule in its smallest form. ``views`` map each column's codes to the bins of ``allowed``.

    RuleError where it forbids nothing, or everything.
    """
    if allowed.all():
        raise RuleError("the rule forbids nothing", 1)
    if not allowed.any():
        raise RuleError("no record can keep this rule", 1)
    axes, place = [], 0
    for name, view in views.items():
        slices = np.moveaxis(allowed, place, 0).reshape(allowed.shape[place], -1)
        _, first, label = np.unique(slices, axis=0, return_index=True, return_inverse=True)
        allowed = np.take(allowed, first, axis=place)
        if len(first) == 1:
            allowed = np.take(allowed, 0, axis=place)
            continue
        axes.append(Axis(name, tuple(np.asarray(label).ravel()[view].tolist())))
        place += 1
    return HardRule(text, reason, Clique(tuple(axes)), np.ascontiguousarray(allowed))


@dataclass(frozen=True, slots=True)
class _Condition:
    """A leaf of the tree: over one column's codes, or those of two columns."""

    columns: tuple[str, ...]
    holds: Grid


def _leaves(tree: Tree) -> list[Compare | Among | Missing]:
    """The conditions of the tree, from left to right."""
    match tree:
        case Not(inner):
            return _leaves(inner)
        case Join(_, left, right):
            return _leaves(left) + _leaves(right)
        case leaf:
            return [leaf]


def _condition(leaf: Compare | Among | Missing, columns: Mapping[str, Column]) -> _Condition:
    column = _column(leaf.column, columns)
    match leaf:
        case Missing(name):
            return _Condition((column.name,), rule_atoms.missing(column, name))
        case Among():
            return _Condition((column.name,), rule_atoms.among(column, leaf))
        case Compare(_, sign, Name() as name):
            other = _column(name, columns)
            if other.name == column.name:
                raise RuleError("a column is compared with itself", name.position, column.name)
            holds = rule_atoms.against_column(column, sign, other, name.position)
            return _Condition((column.name, other.name), holds)
        case Compare(_, sign, value):
            return _Condition((column.name,), rule_atoms.against_value(column, sign, cast("Value", value)))


def _column(name: Name, columns: Mapping[str, Column]) -> Column:
    if name.column not in columns:
        raise RuleError("there is no measured column of this name", name.position)
    return columns[name.column]


def _view(name: str, conditions: list[_Condition], size: int) -> IntArray:
    """Code -> bin: codes share a bin where no condition tells them apart."""
    told = [np.zeros((size, 1), bool)]
    for each in conditions:
        if name in each.columns:
            told.append(np.moveaxis(each.holds, each.columns.index(name), 0).reshape(size, -1))
    _, label = np.unique(np.hstack(told), axis=0, return_inverse=True)
    return np.asarray(label, np.int64).ravel()


def _evaluated(tree: Tree, conditions: Iterator[_Condition], views: Mapping[str, IntArray]) -> Grid:
    """Where the tree holds, broadcast over the bins of all columns."""
    match tree:
        case Not(inner):
            return ~_evaluated(inner, conditions, views)
        case Join(word, left, right):
            first, second = _evaluated(left, conditions, views), _evaluated(right, conditions, views)
            return first & second if word == "and" else first | second
        case _:
            return _spread(next(conditions), views)


def _spread(condition: _Condition, views: Mapping[str, IntArray]) -> Grid:
    """A condition on the bins of its columns, with a dimension of 1 for every other column."""
    holds = condition.holds
    for place, name in enumerate(condition.columns):
        _, first = np.unique(views[name], return_index=True)
        holds = np.take(holds, first, axis=place)
    names = list(views)
    order = sorted(range(len(condition.columns)), key=lambda place: names.index(condition.columns[place]))
    sizes = dict(zip((condition.columns[place] for place in order), np.transpose(holds, order).shape, strict=True))
    return np.transpose(holds, order).reshape([sizes.get(name, 1) for name in names])
