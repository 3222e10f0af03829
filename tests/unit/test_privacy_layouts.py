"""Units with members as one row: what stands where, and tied tables over it that no unit moves beyond their bound."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from privacy import workloads
from privacy.dp import tied
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.dp.execution import execute
from privacy.dp.sensitivity import VOTE, l2_of_tied
from privacy.layouts import Before, Layout, among_later, first_two, with_later
from privacy.plans import MeasurementPlan
from privacy.values import Clique, Domain, IntArray, NoisyMarginal, PrivacyUnit, TiedClique
from privacy.workloads import Wanted

MOST = 4
LAYOUT = Layout(
    Domain(("area", "size"), (3, MOST)), "size", (1, 2, 3, 4),
    Domain(("age", "sex", "age before", "told"), (5, 2, 6, 2)), (Before("age before", "age"),), ("told",),
)  # fmt: skip
CLIQUES = [
    LAYOUT.each("age"), LAYOUT.each("age", "sex", votes=3), LAYOUT.each("size", "age"),
    LAYOUT.each("age", roles=(0, 1, 2)), LAYOUT.each("age before", "age", votes=2),
    LAYOUT.pairs(("age", "age"), first_two()), LAYOUT.pairs(("age", "sex"), with_later(MOST)),
    LAYOUT.pairs(("age", "age"), among_later(MOST), votes=2),
]  # fmt: skip


def drawn(rng: np.random.Generator, units: int, *, alike: bool) -> tuple[IntArray, IntArray, IntArray]:
    """Units, members and owners; alike: the hardest case, where all members of a unit fall in one cell."""
    top = rng.integers(0, LAYOUT.top.sizes, size=(units, 2))
    counts = top[:, 1] + 1
    owners = np.repeat(np.arange(units), counts)
    members = rng.integers(0, LAYOUT.members.sizes, size=(len(owners), 4))
    return top, (members[:1].repeat(len(owners), axis=0) if alike else members), owners


def test_a_wide_row_shows_every_member_at_its_position() -> None:
    top, members, owners = drawn(np.random.default_rng(0), 30, alike=False)
    rows = LAYOUT.wide(top, members, owners)
    names = LAYOUT.domain.columns
    assert (rows[:, names.index("size again")] == top[:, 1]).all()
    for unit in range(30):
        own = members[owners == unit]
        for position, member in enumerate(own, 1):
            seen = [rows[unit, names.index(f"{name}@{position}")] for name in LAYOUT.members.columns]
            assert seen == member.tolist()
        assert (rows[unit, 3 + 4 * len(own) :] == 0).all()


def test_members_that_are_not_as_many_as_the_size_says_are_refused() -> None:
    top, members, owners = drawn(np.random.default_rng(1), 5, alike=False)
    with pytest.raises(ValueError, match="as many as its size says"):
        LAYOUT.wide(top, members[1:], owners[1:])


def largest_share(weight: float = 1.0) -> float:
    """Of its bound, the most that one unit moved any of the tables; ``weight`` is a defect where it is not 1."""
    rng, found = np.random.default_rng(2), 0.0
    for trial in range(300):
        top, members, owners = drawn(rng, 4, alike=trial % 2 == 0)
        rows = LAYOUT.wide(top, members, owners)
        with_all, without = (tied.tables(NumpyCounter(each, LAYOUT.domain), CLIQUES) for each in (rows, rows[:-1]))
        for clique, left, right in zip(CLIQUES, with_all, without, strict=True):
            assert isinstance(clique, TiedClique)
            moved = math.sqrt(sum(int(gap) ** 2 for gap in (left - right).ravel())) * weight
            found = max(found, moved / l2_of_tied(PrivacyUnit(), clique))
    return found


def test_no_unit_moves_a_table_over_members_beyond_its_bound_and_some_reach_it() -> None:
    assert 1 - 1e-12 < largest_share() <= 1
    assert largest_share(1.01) > 1, "a table that counts a hundredth too much is caught"


def test_a_workload_alone_is_measured_without_one_way_tables_and_costs_what_was_allowed() -> None:
    rows = LAYOUT.wide(*drawn(np.random.default_rng(3), 2000, alike=False))
    wanted = [Wanted(Clique.of("area")), *(Wanted(each) for each in CLIQUES if isinstance(each, TiedClique))]
    shares = workloads.weights(wanted, domain=LAYOUT.domain, units=[500.0] * MOST)
    plan = MeasurementPlan(
        one_way_share=Decimal(0), fixed_share=Decimal(1), rounds=0, per_round=1, fixed=(Clique.of("area"),),
        tied=tuple(each for each in CLIQUES), fixed_weights=shares,
    )  # fmt: skip
    ledger = MemoryLedger(Decimal("0.5"))
    tables = execute(
        plan, counter=NumpyCounter(rows, LAYOUT.domain), charge=ledger, model=Deaf(), unit=PrivacyUnit(),
        rho=Decimal("0.5"),
    )  # fmt: skip
    assert [table.clique for table in tables] == [each.clique for each in wanted]
    assert Decimal("0.499") < ledger.spent <= Decimal("0.5")
    exact = tied.tables(NumpyCounter(rows, LAYOUT.domain), [each.clique for each in wanted])
    scores = np.concatenate(
        [((table.counts - true) / table.sigma).ravel() for table, true in zip(tables, exact, strict=True)]
    )
    assert abs(scores.mean()) < 5 / math.sqrt(len(scores))
    assert abs((scores**2).mean() - 1) < 5 * math.sqrt(2 / len(scores)), "the noise is as large as it is said to be"


@pytest.mark.parametrize("changes", [{"fixed": ()}, {"rounds": 1}])
def test_no_one_way_tables_need_a_workload_that_is_all(changes: dict[str, object]) -> None:
    plan = {"one_way_share": Decimal(0), "fixed_share": Decimal("0.5"), "fixed": (Clique.of("area"),),
            "rounds": 0, "per_round": 1} | changes  # fmt: skip
    with pytest.raises(ValueError, match=r"shares|workload"):
        MeasurementPlan(**plan)


def test_more_is_spent_on_what_matters_has_many_cells_or_few_votes() -> None:
    wanted = [Wanted(LAYOUT.each("sex")), Wanted(LAYOUT.each("sex"), 8.0), Wanted(LAYOUT.each("age", "sex")),
              Wanted(LAYOUT.pairs(("sex", "sex"), among_later(MOST)))]  # fmt: skip
    plain, dear, large, rare = workloads.weights(wanted, domain=LAYOUT.domain, units=[700, 200, 90, 10])
    assert dear == pytest.approx(4 * plain, rel=0.02)
    assert large == pytest.approx(5 ** (2 / 3) * plain, rel=0.02)
    assert rare > 4 * plain


def test_a_table_is_seen_as_coarsely_as_its_noise_makes_it_and_no_more() -> None:
    wanted, masses = [Wanted(LAYOUT.each("age before", "age"))], {"age": [400.0, 300.0, 5.0, 4.0, 300.0]}
    units = [250.0] * MOST
    assert workloads.affordable(wanted, LAYOUT, masses, rho=10.0, units=units) == wanted
    (seen,) = workloads.affordable(wanted, LAYOUT, masses, rho=0.0005, units=units)
    assert isinstance(seen.clique, TiedClique)
    before, age = seen.clique.slots[0].axes
    assert age.bins == (0, 1, 2, 2, 3)
    assert before.bins == (*age.bins, 4), "what none precedes keeps a cell of its own"


def test_bins_hold_about_their_share_and_heavy_codes_stand_alone() -> None:
    assert workloads.binned([50, 1, 1, 1, 1, 46], level=4) == (0, 1, 1, 1, 1, 2)
    assert workloads.binned([10, 10, 10, 10, 10, 10, 10, 10], level=4) == (0, 0, 1, 1, 2, 2, 3, 3)
    assert workloads.binned([0, 0, 0], level=4) == (0, 0, 0)


class Deaf:
    """A model that hears nothing and is never asked."""

    def expected(self, clique: Clique) -> IntArray:
        raise LookupError

    def observe(self, marginal: NoisyMarginal) -> None:
        return None


def test_votes_are_counted_in_parts() -> None:
    top, members, owners = drawn(np.random.default_rng(5), 50, alike=False)
    (table,) = tied.tables(NumpyCounter(LAYOUT.wide(top, members, owners), LAYOUT.domain), [LAYOUT.each("age")])
    assert table.sum() == 50 * VOTE, "every unit has one vote, however many its members"
