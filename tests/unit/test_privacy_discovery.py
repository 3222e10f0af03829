"""Key discovery: priced before anything is read, raised above the map's own threshold, and total in its coding."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import opendp.prelude as dp
import pytest

from privacy.dp import opendp_door
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.dp.discovery import Found, discover
from privacy.dp.sensitivity import KeyChange, change_of_keys
from privacy.errors import NotAffordable
from privacy.plan_parts import Search
from privacy.plans import MeasurementPlan, adaptive_default, for_purpose, searching
from privacy.purposes import Purpose
from privacy.values import Axis, Clique, Domain, IntArray, Measurement, PrivacyUnit, TiedClique

DELTA = Decimal("1e-6")
ROW = change_of_keys(PrivacyUnit())
SEARCH = (Search("code", 3, DELTA),)
KEYS = ["often", "also", "rare", "third", "fourth"]
COUNTS = [900, 500, 1, 700, 600]
DOMAIN = Domain(("code", "sex"), (len(KEYS) + 1, 2))
PLAN = searching(adaptive_default(DOMAIN), SEARCH)


def door(change: KeyChange = ROW, rho: str = "0.1", delta: Decimal = DELTA) -> opendp_door.KeyThreshold:
    return opendp_door.key_threshold(change=change, rho=Decimal(rho), delta=delta)


def stated(change: KeyChange, scale: float, threshold: int) -> tuple[float, float]:
    """What OpenDP's own map says."""
    space = (
        dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T="i64")),
        dp.l02inf_distance(dp.absolute_distance(T=float)),
    )
    made = dp.m.make_gaussian_threshold(*space, scale=scale, threshold=threshold)
    found: tuple[float, float] = made.map((change.l0, change.l2, float(change.linf)))
    return found


UNITS = [PrivacyUnit(), PrivacyUnit("identifier", 4, "who"), PrivacyUnit("row", 1, None, "change-one"),
         PrivacyUnit("identifier", 4, "who", "change-one")]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("rho", "delta"), [("0.5", "1e-10"), ("0.001", "1e-6"), ("0.01", "0.001")])
def test_the_price_is_the_map_of_the_threshold_one_below(unit: PrivacyUnit, rho: str, delta: str) -> None:
    change = change_of_keys(unit)
    made = door(change, rho, Decimal(delta))
    exact_rho, exact_delta = stated(change, made.scale, made.threshold - 1)
    assert exact_rho <= float(made.rho) <= float(rho)
    assert exact_delta <= float(made.delta) <= float(delta)
    assert stated(change, made.scale, made.threshold - 2)[1] > float(delta), "no threshold below would do"


@pytest.mark.parametrize("unit", UNITS)
def test_no_unit_moves_the_counts_further_than_declared(unit: PrivacyUnit) -> None:
    chance, change = random.Random(3), change_of_keys(unit)
    for _ in range(2000):
        one, two = ([chance.choice(KEYS) for _ in range(chance.randint(0, unit.k))] for _ in range(2))
        left, right = Counter(one), Counter(two if unit.neighbours == "change-one" else ())
        moves = np.array([left[key] - right[key] for key in KEYS])
        assert np.count_nonzero(moves) <= change.l0
        assert np.linalg.norm(moves) <= change.l2
        assert np.abs(moves).max() <= change.linf


def test_keys_come_out_in_their_own_order_and_rare_ones_do_not() -> None:
    made = door()
    found = made.release({"zebra": 4000, "äpfel": 900, "apple": 500, "once": 1})
    assert list(found) == ["apple", "zebra", "äpfel"]
    assert all(abs(found[key] - true) < 50 for key, true in (("zebra", 4000), ("apple", 500)))
    with pytest.raises(RuntimeError, match="new charge"):
        made.release({"zebra": 4000})
    assert door().release({}) == {}


@pytest.mark.parametrize("counts", [{1: 5}, {"a": 1.5}, {"a\0b": 5}, {"line\nbreak": 5}, {"zero": 0},
                                    {"a": True}, {"huge": 2**60}, {b"a": 3}])  # fmt: skip
def test_what_is_no_key_or_count_is_refused_before_it_draws(counts: Any) -> None:
    made = door()
    with pytest.raises((TypeError, OverflowError)) as refused:
        made.release(counts)
    assert not any(str(key) in str(refused.value) for key in counts if key != "a")
    assert list(made.release({"kept": 1000})) == ["kept"], "what was refused is not spent"


@pytest.mark.parametrize("delta", ["0", "1e-18"])
def test_a_delta_that_no_threshold_keeps_is_refused(delta: str) -> None:
    with pytest.raises(ValueError, match="no threshold"):
        door(delta=Decimal(delta))


class Diary:
    """Notes, in order, each charge and each look at rows or texts."""

    def __init__(self, cap: str = "1", order: Sequence[int] = range(len(KEYS))) -> None:
        self.ledger, self.notes, self.domain = MemoryLedger(Decimal(cap)), list[str](), DOMAIN
        self.keys = [KEYS[place] for place in order]
        codes = np.repeat(np.arange(len(KEYS)), [COUNTS[place] for place in order])
        self.counter = NumpyCounter(np.stack([codes, codes % 2], axis=1), DOMAIN)

    def charge(self, measurement: Measurement) -> str:
        entry = self.ledger(measurement)
        self.notes.append("charge")
        return entry

    def counts(self, clique: Clique) -> IntArray:
        return self.tables((clique,))[0]

    def tables(self, cliques: Sequence[Clique]) -> tuple[IntArray, ...]:
        self.notes.append("count")
        return self.counter.tables(cliques)

    def texts(self, column: str) -> Mapping[int, str]:
        self.notes.append(f"texts of {column}")
        return dict(enumerate(self.keys))

    def run(self, plan: MeasurementPlan = PLAN) -> tuple[tuple[Found, ...], Decimal]:
        return discover(
            plan, counter=self, texts=self.texts, charge=self.charge, unit=PrivacyUnit(), rho=Decimal("0.5")
        )


def test_a_search_is_charged_before_anything_is_read() -> None:
    diary = Diary()
    (found,), spent = diary.run()
    assert diary.notes == ["charge", "count", "texts of code"]
    assert found == Found("code", ("fourth", "often", "third"), "1"), "the most frequent of those let out, sorted"
    (step,) = diary.ledger.entries
    assert (step.kind, step.mechanism, step.cliques) == ("discovery", "gaussian threshold", (Clique.of("code"),))
    assert spent == step.rho <= Decimal("0.05")
    assert 0 < step.delta <= DELTA
    assert step.threshold is not None
    assert step.threshold > 1


def test_nothing_is_read_when_the_search_is_not_paid_for() -> None:
    diary = Diary(cap="0.01")
    with pytest.raises(NotAffordable):
        diary.run()
    assert diary.notes == []


def test_without_a_search_nothing_is_asked_and_nothing_spent() -> None:
    diary = Diary()
    assert diary.run(adaptive_default(DOMAIN)) == ((), 0)
    assert diary.notes == []


def test_the_order_of_rows_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, int]] = []

    def without_noise(made: opendp_door.KeyThreshold, counts: Mapping[str, int]) -> dict[str, int]:
        asked.append(dict(counts))
        return {key: count for key, count in counts.items() if count >= made.threshold}

    monkeypatch.setattr(opendp_door.KeyThreshold, "release", without_noise)
    results = [Diary(order=order).run()[0][0].keys for order in ([0, 1, 2, 3, 4], [4, 2, 0, 1, 3])]
    assert results[0] == results[1] == ("fourth", "often", "third")
    assert asked[0] == asked[1] == dict(zip(KEYS, COUNTS, strict=True))


def test_equal_counts_are_ranked_by_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opendp_door.KeyThreshold, "release", lambda made, counts: dict.fromkeys(KEYS, 50))
    assert Diary().run()[0][0].keys == ("also", "fourth", "often")


def test_a_plan_sets_its_share_aside_and_keeps_its_proportions() -> None:
    assert (PLAN.discovery_share, PLAN.one_way_share, PLAN.rest) == (Decimal("0.1"), Decimal("0.27"), Decimal("0.63"))
    assert PLAN.discovery_delta == DELTA
    assert MeasurementPlan.from_json(PLAN.to_json()) == PLAN
    assert searching(PLAN, ()) is PLAN


def test_a_purpose_is_drawn_up_again_on_the_domain_that_was_found() -> None:
    wide, small = Domain(("code", "sex", "age"), (1002, 2, 100)), Domain(("code", "sex", "age"), (4, 2, 100))
    plan = searching(for_purpose(wide, Purpose(("age",))), SEARCH)
    assert any(axis.bins for clique in plan.fixed for axis in clique.axes)
    fitted = plan.fitted(small)
    fitted.check(small)
    assert not any(axis.bins for clique in fitted.fixed for axis in clique.axes)
    assert (fitted.fixed_share, fitted.fixed_weights) == (plan.fixed_share, plan.fixed_weights)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"searches": []}, "a share needs a column"),
        ({"discovery_share": "0"}, "needs a share"),
        ({"searches": [SEARCH[0].to_json()] * 2}, "searched once"),
        ({"searches": [{"column": "code", "most": 0, "delta": "1e-6"}]}, "whole number from 1"),
        ({"searches": [{"column": "code", "most": 3, "delta": "0"}]}, "above 0"),
        ({"searches": [{"column": "code", "most": 3, "delta": "NaN"}]}, "above 0"),
        ({"searches": [{"column": 3, "most": 3, "delta": "1e-6"}]}, "wrong kind"),
        ({"searches": [["code", 3]]}, "wrong kind"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        MeasurementPlan.from_json({**PLAN.to_json(), **changes})


def test_a_search_of_an_undeclared_column_is_refused() -> None:
    with pytest.raises(ValueError, match="not declared"):
        PLAN.check(Domain(("sex",), (2,)))


@pytest.mark.parametrize("place", ["bins", "size", "slot"])
def test_a_plan_that_needs_to_know_what_it_searches_is_refused_before_it_costs(place: str) -> None:
    domain = Domain(("code", "sex", "age", "size"), (6, 2, 2, 3))
    binned = Clique((Axis("code", (0, 0, 0, 1, 1, 1)), Axis("sex")))
    slots = (Clique.of("code" if place == "slot" else "age"), Clique.of("sex"))
    size, present = ("code", (0, 1, 2, 2, 2, 2)) if place == "size" else ("size", (0, 1, 2))
    tied = TiedClique(size=size, present=present, slots=slots, blocks=(0, 0), votes=1)
    named: dict[str, Any] = {"fixed": (binned,)} if place == "bins" else {"tied": (tied,)}
    plan = searching(MeasurementPlan(Decimal("0.3"), fixed_share=Decimal("0.3"), **named), SEARCH)
    with pytest.raises(ValueError, match="needs to know the categories"):
        plan.check(domain)
