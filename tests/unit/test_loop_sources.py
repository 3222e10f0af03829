"""A source that describes all records is believed as far as released tables support it, and no further."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import hostile
from privacy.values import IntArray
from synthesis.llm.base import Proposal, ProposalPlan
from synthesis.loop import Loop, beliefs, mixtures
from synthesis.loop.sources import Opinion, Source
from tests.loop_tables import DOMAIN, EVERYTHING, ONES, PAIRS, SMALL, counts, people, released

GOOD = mixtures.learn(people(1000, seed=9), DOMAIN)
HOSTILE = [hostile.plan(kind, DOMAIN, seed=seed) for kind in ("random", "sharp", "malicious") for seed in range(3)]


def opinion(plan: ProposalPlan, rows: int, sigma: float, *, pairs: bool, seed: int = 0) -> Opinion:
    tables = (*ONES, *PAIRS) if pairs else ONES
    release = released(people(rows), tables, sigma=sigma, seed=seed)
    estimates = beliefs.columns(DOMAIN, release.marginals, records=rows)
    return Source(plan, DOMAIN).consult(release.marginals, estimates, records=rows)[0]


def swapped(rows: IntArray) -> IntArray:
    """Every column with its own table, and none with another: work and ownership are turned round."""
    turned = rows.copy()
    rng = np.random.default_rng(0)
    order = np.argsort(rows[:, 2] + rng.random(len(rows)))
    turned[order, 1] = np.sort(rows[:, 1])[::-1]
    turned[np.argsort(rows[:, 3] + rng.random(len(rows))), 4] = np.sort(rows[:, 4])[::-1]
    return turned


@pytest.mark.parametrize("sigma", [20.0, 150.0])
def test_a_source_from_the_same_population_is_believed(sigma: float) -> None:
    assert opinion(GOOD, 20_000, sigma, pairs=False).trust > 0.9
    found = opinion(GOOD, 20_000, sigma, pairs=True)
    assert found.trust > 0.7
    assert "agree" in found.reason


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("plan", HOSTILE)
def test_a_random_or_malicious_source_is_not(plan: ProposalPlan, pairs: bool) -> None:
    for sigma in (20.0, 150.0, 600.0):
        assert opinion(plan, 20_000, sigma, pairs=pairs) == Opinion(
            0.0, "not believed: it does not predict the released one-way tables"
        )


def test_a_source_is_not_believed_where_noise_drowns_the_test() -> None:
    assert opinion(GOOD, 500, 600.0, pairs=False).trust == 0


def test_right_one_way_tables_do_not_save_a_source_that_joint_tables_contradict() -> None:
    wrong = mixtures.learn(swapped(people(1000, seed=9)), DOMAIN)
    assert opinion(wrong, 20_000, 60.0, pairs=False).trust > 0.9
    found = opinion(wrong, 20_000, 60.0, pairs=True)
    assert found == Opinion(0.0, "not believed: the released tables of several columns contradict it")


def test_a_believed_source_sharpens_one_way_tables_and_another_leaves_them() -> None:
    truth = people(20_000)
    gaps: dict[str, list[float]] = {"without": [], "good": [], "hostile": []}
    for seed in range(5):
        release = released(truth, ONES, sigma=400.0, seed=seed)
        plain = beliefs.columns(DOMAIN, release.marginals, records=20_000)
        for name, plan in (("without", None), ("good", GOOD), ("hostile", HOSTILE[0])):
            used = plain
            if plan is not None:
                used = Source(plan, DOMAIN).consult(release.marginals, plain, records=20_000)[1]
            gaps[name] += [
                float(np.abs(each.mass - counts(truth, one) / 20_000).sum())
                for each, one in zip(used, ONES, strict=True)
            ]
    assert np.mean(gaps["good"]) < 0.6 * np.mean(gaps["without"])
    assert gaps["hostile"] == gaps["without"]


def test_a_column_the_source_says_nothing_of_follows_its_one_way_table() -> None:
    partly = ProposalPlan(
        tuple(
            Proposal(p.cells, p.weight, p.reason, {k: v for k, v in p.chances.items() if k != "income"})
            for p in GOOD.proposals
        ),
        whole=True,
    )
    release = released(people(20_000), ONES, sigma=20.0)
    estimates = beliefs.columns(DOMAIN, release.marginals, records=20_000)
    found, better, mixture = Source(partly, DOMAIN).consult(release.marginals, estimates, records=20_000)
    income = DOMAIN.index("income")
    assert found.trust > 0.9
    assert better[income].mass == pytest.approx(estimates[income].mass)
    assert mixture.margin(income) == pytest.approx(estimates[income].mass, abs=1e-4)


@pytest.mark.parametrize(
    ("chances", "rule"),
    [((0.5,), "one chance for each code"), ((0.0, 0.0), "from 0"), ((-1.0, 2.0), "from 0"), ((np.nan, 1), "from 0")],
)
def test_chances_that_are_none_are_refused_by_column(chances: tuple[float, ...], rule: str) -> None:
    plan = ProposalPlan((Proposal(EVERYTHING, 1, "x", {"owner": chances}),), whole=True)
    with pytest.raises(ValueError, match=f"^column owner: .*{rule}"):
        Source(plan, DOMAIN)


def test_a_loop_says_what_it_thinks_of_its_source_and_changes_its_mind() -> None:
    wrong = mixtures.learn(swapped(people(1000, seed=9)), DOMAIN)
    release = released(people(20_000), (*ONES, *PAIRS), sigma=60.0)
    loop = Loop(DOMAIN, settings=SMALL, seed=0, supposed=wrong)
    for marginal in release.marginals[: len(ONES)]:
        loop.observe(marginal)
    assert loop.opinion.trust > 0.9
    for marginal in release.marginals[len(ONES) :]:
        loop.observe(marginal)
    done = loop.iterate(ProposalPlan())
    assert (loop.opinion.trust, done.alone) == (0, 1)
