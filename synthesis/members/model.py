"""A directed model of members: p(unit) is given as units, p(members | unit) is learnt from released tables.

The units stay as they are; their members are a persistent sample that is redrawn block by block, one colour at a time,
from p(member | unit, other members) ~ base x rules x exp(sum of weight x tilt over the instances a member is in).
What a redraw foresees of every table moves that table's tilts. No member ever breaks a rule once none does, since a
forbidden choice weighs nothing beside an allowed one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from privacy.values import NoisyTied
from synthesis.loop.denoising import FloatArray
from synthesis.members.blocks import Block, Group, colours, occurrences, own_columns
from synthesis.members.evidence import Evidence, Forbidding, Tilted, share_steps
from synthesis.members.people import People
from synthesis.members.refinement import Refiner
from synthesis.members.settings import MemberSettings
from synthesis.members.tables import Rule

MOST_STARTS = 2000  # sweeps in which a start that keeps every rule must be found: the last few broken ones take long
LIGHTEST = 1e-4  # share of an attribute's mass that every code keeps in the base


class MemberModel:
    """Members for the units of ``people``, whose drawn attributes it overwrites.

    ``blocks`` says which attributes are drawn together; those not named are drawn alone. ``scale``: released units
    for each unit of ``people``. ValueError where the rules leave no members for some unit.
    """

    def __init__(
        self,
        people: People,
        released: Sequence[NoisyTied],
        *,
        rules: Sequence[Rule] = (),
        blocks: Sequence[Sequence[str]] = (),
        settings: MemberSettings,
        seed: int,
        scale: float = 1.0,
    ) -> None:
        self.people, self.settings, self.rng = people, settings, np.random.default_rng(seed)
        self.evidence = [Evidence(each, people, settings, scale=scale) for each in released]
        share_steps(self.evidence)
        self.rules = [Forbidding(rule, people) for rule in rules]
        self.base = bases(people, self.evidence)
        named = {name for block in blocks for name in block}
        alone = [(name,) for name in people.layout.drawn if name not in named]
        self.blocks = [Block.of(names, people.layout, rules, self.base) for names in (*blocks, *alone)]
        self.groups = self._groups(rules)
        self._start()

    def fit(self, beat: Callable[[], None] = lambda: None) -> People:
        """Learn, settle, and refine the members; the people, ready to be written. ``beat``: at each sweep."""
        for number in range(self.settings.sweeps + self.settings.settle_sweeps):
            self._sweep(averaging=number >= self.settings.sweeps)
            beat()
        for table in self.evidence:
            table.averaged /= max(table.averaged.sum(), 1e-9) / max(float(table.weights.sum()), 1e-9)
        Refiner(self.evidence, self.groups, self.people.codes, self.rng).run(
            self.settings.refinement_passes, batches=self.settings.batches
        )
        self.people.repeat()
        return self.people

    def violations(self) -> int:
        """How many instances of all rules are forbidden."""
        return sum(int((rule.theta.ravel()[rule.cells(self.people.codes)] < 0).sum()) for rule in self.rules)

    def _groups(self, rules: Sequence[Rule]) -> list[list[Group]]:
        """For each block, its groups by colour; a rule that a block keeps by itself is no table of that block."""
        tables: list[Tilted] = [*self.evidence, *self.rules]
        colour = colours(tables, self.people)[self.people.position]
        found = []
        for block in self.blocks:
            parts = occurrences(block, [*self.evidence, *self._outside(block, rules)])
            groups = [Group(block, parts, colour == each) for each in range(int(colour.max(initial=0)) + 1)]
            found.append([group for group in groups if len(group.members)])
        return found

    def _outside(self, block: Block, rules: Sequence[Rule]) -> list[Forbidding]:
        inside = [own_columns(rule, self.people.layout) for rule in rules]
        return [
            table for table, names in zip(self.rules, inside, strict=True)
            if names is None or not set(names) <= set(block.attributes)
        ]  # fmt: skip

    def _start(self) -> None:
        """Draw from the base, then redraw until no rule is broken."""
        for groups in self.groups:
            for group in groups:
                weights = np.exp(group.block.base - group.block.base.max())
                drawn = self.rng.choice(len(weights), size=len(group.members), p=weights / weights.sum())
                group.put(self.people.codes, drawn.astype(np.int32))
        for _ in range(MOST_STARTS):
            if not self.violations():
                return
            for groups in self.groups:
                for group in groups:
                    group.put(self.people.codes, group.draw(self.people.codes, self.rng, expect=False)[0])
        raise ValueError("no members that keep every rule were found")

    def _sweep(self, *, averaging: bool = False) -> None:
        for table in self.evidence:
            table.weigh(self.people.codes)
        for place in self.rng.permutation(len(self.groups)).tolist():
            foreseen = self._redraw(self.groups[place])
            for table, expected in foreseen:
                table.learn(expected)
                if averaging:
                    table.averaged += expected

    def _redraw(self, groups: Sequence[Group]) -> list[tuple[Evidence, FloatArray]]:
        """New codes for one block of all members, and what this foresees of every table it is part of."""
        sums: dict[int, list[FloatArray]] = defaultdict(list)
        for group in groups:
            drawn, expected = group.draw(self.people.codes, self.rng, expect=True)
            group.put(self.people.codes, drawn)
            for place, each in enumerate(expected):
                sums[place].append(each)
        parts = groups[0].parts if groups else []
        found: dict[int, tuple[Evidence, list[FloatArray]]] = {}
        for place, tables in sums.items():
            table = parts[place].table
            if isinstance(table, Evidence) and parts[place].complete:
                found.setdefault(id(table), (table, []))[1].append(np.sum(tables, axis=0))
        return [(table, np.mean(whole, axis=0)) for table, whole in found.values()]


def bases(people: People, evidence: Sequence[Evidence]) -> dict[str, FloatArray]:
    """The log mass of every code of every drawn attribute: from its own released table where there is one."""
    found = {name: np.zeros(people.layout.members.size(name)) for name in people.layout.drawn}
    for table in evidence:
        names = [reading.attribute for reading in table.readings]
        if len(names) == 1 and names[0] in found and len(table.shape) == 2 and table.shape[1] == len(found[names[0]]):
            found[names[0]] = _log_mass(table)
    return found


def _log_mass(table: Evidence) -> FloatArray:
    counts = table.target.sum(axis=0)
    return np.asarray(np.log(np.maximum(counts / counts.sum(), LIGHTEST)))
