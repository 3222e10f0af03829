"""Members made from released tables: they hang together as the real ones do, keep every rule, and repeat exactly."""

from __future__ import annotations

import numpy as np
import pytest

from privacy.dp import tied
from privacy.dp.counting import NumpyCounter
from privacy.dp.sensitivity import VOTE
from privacy.layouts import Before, Layout, among_later, first_two, with_later
from privacy.values import Domain, IntArray, NoisyTied, TiedClique
from synthesis import member_checks
from synthesis.members import MemberModel, MemberSettings, People, Rule
from synthesis.members.evidence import LARGEST_STEP
from synthesis.members.tables import Table

MOST, AGES = 4, 6
CHILD = 2  # codes of age below this
LAYOUT = Layout(
    Domain(("area", "size"), (3, MOST)), "size", (1, 2, 3, 4),
    Domain(("age", "job", "pay", "age before"), (AGES, 3, 3, AGES + 1)), (Before("age before", "age"),),
)  # fmt: skip
FAST = MemberSettings(sweeps=25, settle_sweeps=8)
BLOCKS = [("age", "job"), ("job", "pay")]
TABLES = [
    LAYOUT.each("age", roles=(0, 1, 2)), LAYOUT.each("job"), LAYOUT.each("pay"), LAYOUT.each("age", "job"),
    LAYOUT.each("area", "age"), LAYOUT.each("size", "age"), LAYOUT.each("job", "pay"),
    LAYOUT.pairs(("age", "age"), first_two()), LAYOUT.pairs(("age", "age"), with_later(MOST)),
    LAYOUT.pairs(("age", "age"), among_later(MOST)), LAYOUT.each("job", "age", by_norm=True),
    LAYOUT.pairs(("job", "job"), with_later(MOST), by_norm=True),
]  # fmt: skip
QUIET = [LAYOUT.each(name, by_norm=True) for name in ("age", "job", "pay")]
LOUD = [
    LAYOUT.each(*pair, by_norm=True)
    for pair in (
        ("age", "job"), ("job", "pay"), ("age", "pay"), ("area", "age"), ("size", "age"), ("area", "job"),
        ("size", "job"), ("area", "pay"), ("size", "pay"),
    )
] + [
    LAYOUT.pairs((name, name), who, by_norm=True)
    for name in ("age", "job", "pay") for who in (first_two(), with_later(MOST))
]  # fmt: skip


def real(units: int, seed: int = 0) -> People:
    """Couples are of one age, later members are children, children have no job, and without a job there is no pay."""
    rng = np.random.default_rng(seed)
    top = np.column_stack([rng.integers(0, 3, units), rng.choice(MOST, units, p=(0.3, 0.4, 0.2, 0.1))])
    people = People(LAYOUT, top)
    first = rng.integers(CHILD, AGES, units)[people.owners]
    near = np.clip(first + rng.integers(-1, 2, people.members), CHILD, AGES - 1)
    later = np.where(people.position == 1, near, rng.integers(0, CHILD, len(first)))
    age = np.where(people.position == 0, first, later)
    job = np.where(age < CHILD, 0, rng.integers(0, 3, len(age)))
    pay = np.where(job == 0, 0, rng.integers(1, 3, len(age)))
    return People.of(LAYOUT, top, {"age": age, "job": job, "pay": pay})


def released(people: People, cliques: list[TiedClique], *, sigma: float = 0.5, seed: int = 0) -> list[NoisyTied]:
    """Tables as a release holds them; the noise here is a test's own, of known size."""
    rng, counter = np.random.default_rng(seed), NumpyCounter(people.wide(), LAYOUT.domain)
    found = []
    for clique, counts in zip(cliques, tied.tables(counter, cliques), strict=True):
        noise = np.rint(rng.normal(0, sigma * VOTE, counts.shape)).astype(np.int64)
        found.append(NoisyTied(clique, counts + noise, sigma * VOTE, "1", VOTE))
    return found


def rules() -> list[Rule]:
    children = np.ones((AGES, 3), dtype=bool)
    children[:CHILD, 1:] = False
    paid = np.zeros((3, 3), dtype=bool)
    paid[0, 0] = paid[1:, 1:] = True
    return [Rule(LAYOUT.each("age", "job"), children[None]), Rule(LAYOUT.each("job", "pay"), paid[None])]


def made(people: People, cliques: list[TiedClique], *, seed: int = 0, sigma: float = 0.5) -> MemberModel:
    model = MemberModel(
        People(LAYOUT, people.top), released(people, cliques, sigma=sigma), rules=rules(), blocks=BLOCKS,
        settings=FAST, seed=seed,
    )  # fmt: skip
    model.fit()
    return model


def far(left: People, right: People, clique: TiedClique) -> float:
    tables = [Table(clique, each).count(each.codes) for each in (left, right)]
    shares = [table / table.sum() for table in tables]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


PEOPLE = real(3000)
MODEL = made(PEOPLE, TABLES)


@pytest.mark.parametrize(
    "clique",
    [*TABLES, LAYOUT.each("age before", "age", votes=2), LAYOUT.each("age", votes=2, roles=(0, 1), by_norm=True)],
)
def test_counting_members_one_by_one_is_counting_the_wide_rows(clique: TiedClique) -> None:
    wide = tied.tables(NumpyCounter(PEOPLE.wide(), LAYOUT.domain), [clique])[0] / VOTE
    assert Table(clique, PEOPLE).count(PEOPLE.codes) == pytest.approx(wide, rel=1e-5, abs=1e-6)


def test_members_depend_on_each_other_as_the_real_ones_do() -> None:
    alone = made(PEOPLE, TABLES[:7])
    couples = LAYOUT.pairs(("age", "age"), first_two())
    assert far(MODEL.people, PEOPLE, couples) < 0.03
    assert far(alone.people, PEOPLE, couples) > 0.3, "without the table of couples nobody could know"


@pytest.mark.parametrize("clique", TABLES)
def test_every_released_table_is_met(clique: TiedClique) -> None:
    assert far(MODEL.people, PEOPLE, clique) < 0.03


def test_no_rule_is_broken_among_100_000_members_even_under_loud_noise() -> None:
    people = real(48_000)
    quick = MemberSettings(sweeps=2, settle_sweeps=1, refinement_passes=1)
    model = MemberModel(
        People(LAYOUT, people.top), released(people, TABLES, sigma=500.0), rules=rules(), blocks=BLOCKS,
        settings=quick, seed=1,
    )  # fmt: skip
    found = model.fit()
    age, job, pay = (found.codes[name] for name in ("age", "job", "pay"))
    assert found.members > 100_000
    assert not ((age < CHILD) & (job > 0)).any()
    assert ((job == 0) == (pay == 0)).all()
    assert model.violations() == 0


def test_broken_rules_are_counted() -> None:
    """A defect planted in finished members is seen by the same count."""
    model = made(real(50), TABLES[:3])
    model.people.codes["age"][:] = 0
    model.people.codes["job"][:] = 1
    assert model.violations() >= model.people.members


def test_the_same_release_and_seed_give_the_same_members_and_another_seed_others() -> None:
    people = real(200)
    one, two, other = (made(people, TABLES, seed=seed).people.table() for seed in (3, 3, 4))
    assert (one == two).all()
    assert (one != other).any()


def test_units_stay_as_they_were_and_have_their_members() -> None:
    assert (MODEL.people.top == PEOPLE.top).all()
    assert (np.bincount(MODEL.people.owners, minlength=3000) == PEOPLE.top[:, 1] + 1).all()


def test_noise_is_not_learnt() -> None:
    """Where nothing is left of a table but noise, members stay near those of the quiet tables alone."""
    couples = LAYOUT.pairs(("age", "age"), first_two())
    quiet, loud = released(PEOPLE, TABLES[:7]), released(PEOPLE, [couples], sigma=200.0)
    model = MemberModel(
        People(LAYOUT, PEOPLE.top), [*quiet, *loud], rules=rules(), blocks=BLOCKS, settings=FAST, seed=0
    )
    model.fit()
    noisy = np.maximum(loud[0].counts / VOTE, 0)
    fitted = Table(couples, model.people).count(model.people.codes)
    exact = Table(couples, PEOPLE).count(PEOPLE.codes)
    assert np.abs(fitted - exact).sum() < 0.6 * np.abs(noisy - exact).sum()


def test_rules_between_neighbours_hold_in_order() -> None:
    """Codes that never fall from one member to the next, as the hours of a day."""
    rising = (np.arange(AGES + 1)[:, None] <= np.arange(AGES)[None]) | (np.arange(AGES + 1)[:, None] == AGES)
    rule = Rule(LAYOUT.each("age before", "age"), rising[None])
    tables = released(PEOPLE, [LAYOUT.each("age")])
    model = MemberModel(People(LAYOUT, PEOPLE.top), tables, rules=[rule], settings=FAST, seed=0)
    found = model.fit()
    rows = np.flatnonzero(found.earlier >= 0)
    assert (found.codes["age"][rows] >= found.codes["age"][rows - 1]).all()
    assert len(np.unique(found.codes["age"])) == AGES


def test_long_days_find_a_start_in_which_hours_never_fall() -> None:
    """Two hours out of order wander to an end of the day before they are mended, which takes the last of many long."""
    hours = Domain(("hour", "hour before"), (24, 25))
    days = Layout(Domain(("size",), (1,)), "size", (12,), hours, (Before("hour before", "hour"),))
    rising = (np.arange(25)[:, None] <= np.arange(24)[None]) | (np.arange(25)[:, None] == 24)
    rule = Rule(days.each("hour before", "hour"), rising[None])
    model = MemberModel(People(days, np.zeros((300, 1), dtype=int)), [], rules=[rule], settings=FAST, seed=4)
    assert model.violations() == 0


def test_loud_tables_of_pairs_do_not_pull_quiet_columns_away() -> None:
    gaps = []
    for seed in range(3):
        people = real(3000, seed=seed)
        tables = released(people, QUIET, sigma=10, seed=seed) + released(people, LOUD, sigma=30, seed=seed + 50)
        model = MemberModel(
            People(LAYOUT, people.top), tables, rules=rules(), blocks=BLOCKS, settings=FAST, seed=0
        )  # fmt: skip
        model.fit()
        gaps.append(far(model.people, people, QUIET[1]))
    assert np.mean(gaps) < 0.006


def test_tables_that_move_together_start_with_smaller_steps() -> None:
    model = MemberModel(People(LAYOUT, PEOPLE.top), released(PEOPLE, QUIET + LOUD), settings=FAST, seed=0)
    ages = [table for table in model.evidence if "age" in table.attributes]
    assert sum(table.gain for table in ages) <= 1.5
    alone = MemberModel(People(LAYOUT, PEOPLE.top), released(PEOPLE, QUIET), settings=FAST, seed=0)
    assert {table.gain for table in alone.evidence} == {FAST.step}


def test_tables_that_move_together_share_their_largest_step_too() -> None:
    """A cell that the members lack is asked for by every table at once: each goes its share of the way."""
    model = MemberModel(People(LAYOUT, PEOPLE.top), released(PEOPLE, QUIET + LOUD), settings=FAST, seed=0)
    for table in model.evidence:
        foreseen = np.zeros(table.shape)  # all in one cell, the others empty
        foreseen.reshape(len(foreseen), -1)[:, 0] = table.said.reshape(len(foreseen), -1).sum(axis=1)
        table.learn(foreseen)
        assert np.abs(table.theta).max() <= LARGEST_STEP * table.gain * (1 + 1e-9)


def test_rules_that_leave_nobody_are_refused() -> None:
    nothing = Rule(LAYOUT.each("age"), np.zeros((1, AGES), dtype=bool))
    with pytest.raises(ValueError, match="no combination of age"):
        MemberModel(People(LAYOUT, PEOPLE.top), [], rules=[nothing], settings=FAST, seed=0)
    nobody = Rule(LAYOUT.each("area", "age"), np.zeros((1, 3, AGES), dtype=bool))
    with pytest.raises(ValueError, match="no members that keep every rule"):
        MemberModel(People(LAYOUT, PEOPLE.top[:20]), [], rules=[nobody], settings=FAST, seed=0)


def test_codes_of_members_are_whole_numbers_in_their_domain() -> None:
    table: IntArray = MODEL.people.table()
    assert (table >= 0).all()
    assert (table < np.array(LAYOUT.members.sizes)).all()


@pytest.mark.parametrize("clique", [TABLES[0], TABLES[7], TABLES[10]], ids=["each", "two", "by norm"])
def test_what_drawing_units_one_by_one_does_to_their_members_table_is_told(clique: TiedClique) -> None:
    """As far as tables of samples of 400 units really spread about that of all, members of a unit drawn together."""
    everybody = real(400)
    table = Table(clique, everybody)
    table.count(everybody.codes)
    rng, flat = np.random.default_rng(3), np.zeros((400, int(np.prod(table.shape))))
    np.add.at(flat, (table.units, table.cells(everybody.codes)), table.weights)
    spread = [flat[rng.integers(0, 400, 400)].sum(axis=0) for _ in range(2000)]
    found = member_checks.variance(table, everybody)
    assert found.mean() == pytest.approx(np.var(spread, axis=0).mean(), rel=0.05)
    assert found.max() == pytest.approx(np.var(spread, axis=0).max(), rel=0.15)
