"""Proposals gain weight only as far as released tables support them."""

from __future__ import annotations

import numpy as np
import pytest

from synthesis.loop import Loop, Proposal, ProposalPlan
from synthesis.loop.fit import Fit
from synthesis.loop.prior import Prior
from synthesis.loop.trust import admit, component
from tests.loop_tables import DOMAIN, EVERYTHING, ONES, PAIRS, SMALL, people, released


@pytest.fixture
def fit() -> Fit:
    release = released(people(20_000), (*ONES, *PAIRS), sigma=20.0)
    return Fit(DOMAIN, release.marginals, SMALL, np.random.default_rng(0))


def proposal(weight: int = 1000, **cells: tuple[int, ...]) -> Proposal:
    return Proposal({**EVERYTHING, **cells}, weight, "a reason")


def test_what_the_tables_show_is_accepted(fit: Fit) -> None:
    working_and_rich = proposal(work=(1,), income=(2, 3, 4, 5), owner=(1,))
    assert admit(fit, ProposalPlan((working_and_rich,))).accepted == 1
    assert fit.pool.prior.weights[1] > 0.01
    assert fit.pool.prior.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("weight", [1, 10**9])
def test_what_the_tables_deny_is_rejected_however_loud(fit: Fit, weight: int) -> None:
    working_child, rich_child = proposal(weight, age=(0, 1), work=(1,)), proposal(weight, age=(0, 1), income=(4, 5))
    admission = admit(fit, ProposalPlan((working_child, rich_child)))
    assert admission.accepted == 0
    assert len(admission.rejected) == 2
    assert fit.pool.prior.weights.tolist() == [1.0]


def test_a_box_that_allows_everything_changes_nothing(fit: Fit) -> None:
    assert admit(fit, ProposalPlan((proposal(),))).accepted == 0


def test_a_component_keeps_the_one_way_table_inside_its_box(fit: Fit) -> None:
    income = DOMAIN.index("income")
    chances = component(fit, proposal(income=(3, 4)))[income]
    mass = fit.binning.masses[income]
    assert chances.sum() == pytest.approx(1)
    assert chances[3] / chances[4] == pytest.approx(mass[3] / mass[4])
    assert 0 < chances[[0, 1, 2, 5]].sum() < 0.05


def test_without_joint_tables_nothing_can_be_shown() -> None:
    loop = Loop.from_release(released(people(5000), ONES, sigma=10.0), settings=SMALL, seed=0)
    done = loop.iterate(ProposalPlan((proposal(work=(1,), income=(3,)),)))
    assert (done.accepted, len(done.rejected)) == (0, 1)


def test_the_prior_forgets_its_weakest_components_and_never_the_first() -> None:
    prior = Prior([np.array([0.5, 0.5])])
    prior.add([[np.array([0.9, 0.1])], [np.array([0.1, 0.9])], [np.array([0.3, 0.7])]], np.array([0.5, 0.3, 0.1]))
    prior.prune(2, records=1000)
    assert prior.weights == pytest.approx(np.array([0.1, 0.5, 0.3]) / 0.9)
    assert prior.parts[0][1:, 0] == pytest.approx([0.9, 0.1])
    prior.prune(5, records=4)
    assert len(prior.weights) == 2  # 0.3 / 0.9 of four records is fewer than two


def test_records_are_given_the_components_that_explain_them() -> None:
    rng = np.random.default_rng(3)
    prior = Prior([rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(2))])
    parts = [rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(2))]
    prior.add([parts], np.array([0.4]))
    ours = 0.6 * prior.parts[0][0] * prior.parts[1][0][1]
    theirs = 0.4 * parts[0] * parts[1][1]
    codes = np.stack([np.repeat([0, 1, 2], 20_000), np.ones(60_000, int)]).astype(np.int32)
    found = prior.kinds(codes, rng).reshape(3, -1).mean(axis=1)
    assert found == pytest.approx(theirs / (ours + theirs), abs=0.02)
    assert np.exp(prior.logits(0, np.array([1, 0], np.int32))) == pytest.approx(
        np.stack([parts[0], prior.parts[0][0]]), rel=1e-5
    )


def test_a_sample_of_the_prior_has_its_tables() -> None:
    rng = np.random.default_rng(4)
    prior = Prior([np.array([0.5, 0.5]), np.array([0.5, 0.5])])
    prior.add([[np.array([0.9, 0.1]), np.array([0.1, 0.9])]], np.array([0.5]))
    codes = prior.sample(40_000, rng)
    table = sum(w * np.outer(first, second) for w, first, second in zip(prior.weights, *prior.parts, strict=True))
    found = np.bincount(2 * codes[0] + codes[1], minlength=4) / codes.shape[1]
    assert found == pytest.approx(np.asarray(table).ravel(), abs=0.01)


def test_no_proposal_is_given_more_than_the_records_it_asks_for(fit: Fit) -> None:
    assert admit(fit, ProposalPlan((proposal(400, work=(1,), income=(2, 3, 4, 5), owner=(1,)),))).accepted == 1
    assert fit.pool.prior.weights[1] == pytest.approx(400 / fit.total)


def test_chances_say_how_likely_each_code_is_inside_a_box(fit: Fit) -> None:
    income = DOMAIN.index("income")
    told = Proposal({**EVERYTHING, "income": (3, 4)}, 10, "a reason", {"income": (0, 0, 0, 3, 1, 0)})
    chances = component(fit, told)[income]
    assert chances.sum() == pytest.approx(1)
    assert chances[3] / chances[4] == pytest.approx(3, rel=0.15)  # a little follows the one-way table


def test_all_proposals_together_never_take_more_than_a_quarter_of_any_bin(fit: Fit) -> None:
    plan = ProposalPlan((proposal(work=(1,), income=(2, 3, 4, 5), owner=(1,)), proposal(age=(0, 1), work=(0,))))
    for _ in range(20):
        admit(fit, plan)  # the same plan again and again, while the pool has not yet followed
    prior = fit.pool.prior
    for part, mass in zip(prior.parts, prior.masses, strict=True):
        assert (prior.weights[1:] @ part[1:] <= 0.251 * mass).all()
        assert prior.weights @ part == pytest.approx(mass, rel=1e-4)  # the mixture keeps the one-way tables


def test_a_plan_beyond_what_the_prior_keeps_is_told_so(fit: Fit) -> None:
    admission = admit(fit, ProposalPlan((proposal(),) * (SMALL.components + 2)))
    assert len(admission.rejected) == SMALL.components + 2
    assert sum(reason.startswith("more than the prior keeps") for reason in admission.rejected) == 2
