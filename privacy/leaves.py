"""The third of three related tables: rows of members, such as the trips of a household's persons.

Pure, and from the declaration alone: which columns there are, how many rows count, what holds from row to row. Rows are
leaves; all leaves of a unit stand side by side in a layout of their own (privacy/layouts.py), member after member, each
beside what is known of its member and of the leaf before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from privacy.across_rules import renamed
from privacy.cliques import Clique
from privacy.joined import Blocks, Orphans, Table
from privacy.layouts import Before, Layout
from privacy.schema_fields import Categories, Column
from privacy.values import Axis, Domain, HardRule, IntArray

PLACE = "its place"
PLACES = ("first", "between", "last", "only")
EXACT = 12
"""Up to so many leaves of a member are counted one by one; more, in bins that grow by GROWTH."""
GROWTH = 1.4


@dataclass(frozen=True)
class Journey:
    """A member's first leaf starts at the unit's column ``start``, every other where the one before ended: ``to``.

    ``back``: where this holds of a leaf, by declared names, it ends where the unit's journeys start.
    """

    to: str
    start: str
    back: HardRule | None = None


@dataclass(frozen=True)
class Counted:
    """From ``least`` to ``most`` leaves of a member count, or where ``or_none`` none; of a unit, ``most_of_unit``.

    ``orphans``: what becomes of leaves that name no member. ``votes``: those that a unit's leaves share.
    """

    least: int
    most: int
    or_none: bool
    most_of_unit: int
    orphans: Orphans
    votes: int


@dataclass(frozen=True)
class Leaves(Counted):
    """``names`` and ``given`` say what declared columns are called beside others: those of leaves, and those of members
    that leaves are counted together with, which beside other members are called ``sources``. ``tops``: columns of the
    unit, which keep their names.

    ``ordered_by``: the column by whose codes a member's leaves follow each other. ``declared``: the owner's rules over
    the columns of the layout.
    """

    table: Table
    names: Mapping[str, str]
    given: Mapping[str, Column]
    sources: tuple[str, ...]
    tops: Mapping[str, Column]
    ordered_by: str = ""
    together: Blocks = ()
    journey: Journey | None = None
    declared: tuple[HardRule, ...] = ()

    @property
    def number(self) -> str:
        """The attribute of members that says how many leaves they have."""
        return f"number of {self.table.name}"

    @property
    def total(self) -> str:
        """The unit's column that says how many leaves all its members have."""
        return f"all {self.table.name}"

    @property
    def called(self) -> list[str]:
        """Every name that is made of the declared ones, and those of leaves: no two may be alike."""
        made = [self.number, self.total, *self.names.values(), *self.given, PLACE]
        return [*made, *(each.name for each in self.befores)]

    @property
    def seen(self) -> tuple[str, ...]:
        """What leaves are counted together with, attribute by attribute; not where journeys start."""
        start = self.journey.start if self.journey else ""
        return (*self.given, *(name for name in self.tops if name != start))

    @property
    def is_ordered(self) -> bool:
        return bool(self.ordered_by or self.table.number)

    @cached_property
    def starts(self) -> IntArray:
        """The least number of leaves in each bin of ``number``."""
        found = [0] if self.or_none and self.least else []
        edge = self.least
        while edge <= self.most:
            found.append(edge)
            edge = edge + 1 if edge < EXACT else max(edge + 1, math.ceil(edge * GROWTH))
        return np.array(found)

    @property
    def ends(self) -> IntArray:
        """The largest number of leaves in each bin."""
        ends = np.append(self.starts[1:] - 1, self.most)
        ends[0] = 0 if self.or_none else ends[0]
        return ends

    @cached_property
    def number_column(self) -> Column:
        labels = [
            str(low) if low == high else f"{low} to {high}" for low, high in zip(self.starts, self.ends, strict=True)
        ]
        title = f"How many {self.table.name} a member has, counted up to {self.most}"
        return _counting(self.number, tuple(labels), title, public=self._public)

    @cached_property
    def total_column(self) -> Column:
        labels = tuple(map(str, range(self.most_of_unit + 1)))
        title = f"How many {self.table.name} a unit has in all, counted up to {self.most_of_unit}"
        return _counting(self.total, labels, title, public=self._public)

    @property
    def _public(self) -> bool:
        return any(column.public for column in self.table.schema.columns)

    @cached_property
    def ruled(self) -> dict[str, tuple[str, Column]]:
        """What rules may name: each name's attribute or unit's column in the layout, and its column."""
        found = {name: (name, column) for name, column in self.tops.items()}
        found |= {name: (name, column) for name, column in self.attributes.items()}
        return found | {name: (called, self.attributes[called]) for name, called in self.names.items()}

    @cached_property
    def befores(self) -> tuple[Before, ...]:
        """What repeats the leaf before; nothing where leaves have no order."""
        start = {self.journey.to: self.journey.start} if self.journey else {}
        own = self.names.items() if self.is_ordered else ()
        return tuple(Before(before(name), called, start.get(name, "")) for name, called in own)

    @cached_property
    def attributes(self) -> dict[str, Column]:
        """Every attribute of a leaf by its name in the layout: its own, its member's, its place, the leaf before's."""
        own = {self.names[column.name]: column for column in self.table.schema.columns}
        found = own | dict(self.given)
        if self.is_ordered:
            found[PLACE] = _counting(PLACE, PLACES, f"Which of a member's {self.table.name} it is", public=self._public)
        return found | {each.name: _earlier(own[each.repeats], each) for each in self.befores}

    @cached_property
    def layout(self) -> Layout:
        top = {name: column.size for name, column in self.tops.items()} | {self.total: self.most_of_unit + 1}
        sizes = {name: column.size for name, column in self.attributes.items()}
        for each in self.befores:
            sizes[each.name] = sizes[each.repeats] + (not each.start)
        given = (*self.given, *([PLACE] if self.is_ordered else []))
        present = tuple(range(self.most_of_unit + 1))
        return Layout(Domain.from_mapping(top), self.total, present, Domain.from_mapping(sizes), self.befores, given)

    @cached_property
    def rules(self) -> tuple[HardRule, ...]:
        """All rules, over the layout's names: of each leaf by itself, declared of leaves in order, and what follows."""
        own = tuple(renamed(rule, self.names) for rule in self.table.schema.rules)
        order = (self._onward(),) if self.ordered_by else ()
        return (*own, *self.declared, *order, *self._journeys_back())

    @cached_property
    def blocks(self) -> list[list[str]]:
        """What is drawn as one: as declared, and where a journey goes back, what says so with where it ends."""
        return [[self.names[name] for name in block] for block in (*self.together, *self.linked)]

    @property
    def linked(self) -> Blocks:
        """Declared columns that a journey's way back ties, where no declared block holds them all."""
        if self.journey is None or self.journey.back is None:
            return ()
        found = (*self.journey.back.clique.columns, self.journey.to)
        return () if any(set(found) <= set(block) for block in self.together) else (found,)

    def named_by(self, rule: HardRule) -> list[str]:
        """The files' columns that a rule of the layout is about, whether of this leaf or the one before."""
        columns = dict(self.tops) | self.attributes
        return list(dict.fromkeys(columns[name].source for name in rule.clique.columns if name != PLACE))

    def within(self, counts: IntArray, owners: IntArray) -> IntArray:
        """How many leaves of each member count, member after member of each unit (``owners``): at most ``most`` of one,
        and ``most_of_unit`` of a unit, of which later members get what earlier ones leave.

        A member with fewer than ``least`` has none, where members may have none; otherwise that is kept for each.
        """
        floor = 0 if self.or_none else self.least
        enough = np.where(counts < self.least, 0, counts) if self.or_none else counts
        more = np.minimum(enough, self.most) - floor
        firsts = np.searchsorted(owners, owners)
        before = np.cumsum(more) - more
        before = before - before[firsts]
        size = np.bincount(owners)[owners] if len(owners) else owners
        kept = np.clip(self.most_of_unit - size * floor - before, 0, np.maximum(more, 0)) + floor
        return np.where(kept < self.least, 0, kept) if self.or_none else kept

    def coded(self, counts: IntArray) -> IntArray:
        """The bins of ``number`` for so many leaves."""
        return np.asarray(np.searchsorted(self.starts, counts, side="right") - 1)

    def places(self, counts: IntArray) -> IntArray:
        """The code of ``PLACE`` of every leaf, of members with so many."""
        ends = np.cumsum(counts)
        found = np.ones(int(counts.sum()), dtype=np.int64)
        found[(ends - counts)[counts > 0]] = 0
        found[ends[counts > 0] - 1] = 2
        found[ends[counts == 1] - 1] = 3
        return found

    def filled(self, own: IntArray, given: IntArray, counts: IntArray, top: IntArray) -> IntArray:
        """Leaves x the layout's attributes: of their ``own`` and ``given`` codes, a row for every leaf in order.

        ``counts``: leaves of each member. ``top``: the unit's columns for every leaf.
        """
        known = dict(zip((*self.names.values(), *self.given), np.column_stack([own, given]).T, strict=True))
        if self.is_ordered:
            known[PLACE] = self.places(counts)
        first = np.zeros(len(own), dtype=bool)
        first[(np.cumsum(counts) - counts)[counts > 0]] = True
        for each in self.befores:
            start = top[:, list(self.tops).index(each.start)] if each.start else self.layout.members.size(each.repeats)
            known[each.name] = np.where(first, start, np.roll(known[each.repeats], 1))
        return np.column_stack([known[name] for name in self.layout.members.columns])

    def _onward(self) -> HardRule:
        name = self.names[self.ordered_by]
        size = self.layout.members.size(name)
        allowed = np.arange(size + 1)[:, None] <= np.arange(size)[None]
        allowed[size] = True
        text = f"`{self.ordered_by}` is never before that of the one before"
        return HardRule(text, "what these rows are ordered by", Clique.of(before(self.ordered_by), name), allowed)

    def _journeys_back(self) -> tuple[HardRule, ...]:
        if self.journey is None or self.journey.back is None:
            return ()
        back, to = renamed(self.journey.back, self.names), self.names[self.journey.to]
        same = np.eye(self.layout.members.size(to), dtype=bool)
        same = same.reshape(len(same), *[1] * back.allowed.ndim, len(same))
        clique = Clique((Axis(self.journey.start), *back.clique.axes, Axis(to)))
        text = f"where {back.text}, `{self.journey.to}` is `{self.journey.start}`"
        return (HardRule(text, back.reason, clique, ~back.allowed[None, ..., None] | same),)


def before(name: str) -> str:
    """What the leaf before has in a declared column."""
    return f"{name} before"


def of_member(name: str, members: str) -> str:
    """A member's column beside its leaves."""
    return f"{name} of {members}"


def votes_of(most_of_unit: int) -> int:
    """Votes that a unit's leaves share in tables of several columns: of the order of the root of how many there may be,
    which is what they weigh by norm where they fall in different cells.
    """
    return max(round(0.6 * math.sqrt(most_of_unit)), 1)


def _counting(name: str, labels: tuple[str, ...], title: str, *, public: bool) -> Column:
    coding = Categories(labels, {label: code for code, label in enumerate(labels)})
    return Column(name, "integer", coding, title, "", public, None, False, frozenset(), name)


def _earlier(column: Column, each: Before) -> Column:
    """The column as rules read it of the leaf before: where there is none, and none to start from, it is missing."""
    return replace(column, name=each.name, nullable=column.nullable or not each.start)
