"""At most k rows of a unit are counted, and which ones depends on that unit alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from privacy.bounding import Bounding
from privacy.values import PrivacyUnit

KEY = b"k" * 32
rows = st.lists(st.sampled_from(["a", "b", "c", "d", None]), max_size=60)


def kept(identifiers: list[str | None], *, k: int, nulls: str = "drop", key: bytes = KEY) -> list[bool]:
    bounding = Bounding(PrivacyUnit("identifier", k, "who"), nulls=nulls, key=key)
    for identifier in identifiers:
        bounding.add(identifier)
    return bounding.kept().tolist()


@given(identifiers=rows, k=st.integers(1, 5))
def test_at_most_k_rows_stay_and_as_many_as_may(identifiers: list[str | None], k: int) -> None:
    flags = kept(identifiers, k=k)
    stayed = Counter(who for who, flag in zip(identifiers, flags, strict=True) if flag)
    assert stayed == {who: min(n, k) for who, n in Counter(identifiers).items() if who is not None}


@given(identifiers=rows, k=st.integers(1, 3))
def test_another_units_presence_changes_nothing(identifiers: list[str | None], k: int) -> None:
    """The neighbour property: without unit d, every other row is treated as it was."""
    with_d = [flag for who, flag in zip(identifiers, kept(identifiers, k=k), strict=True) if who != "d"]
    assert with_d == kept([who for who in identifiers if who != "d"], k=k)


@given(identifiers=rows, k=st.integers(1, 5), cut=st.integers(0, 60), nulls=st.sampled_from(["drop", "own-unit"]))
def test_batches_are_bounded_as_row_by_row(identifiers: list[str | None], k: int, cut: int, nulls: str) -> None:
    """Wherever the file is cut into batches; each batch names its distinct identifiers once, in any order."""
    bounding = Bounding(PrivacyUnit("identifier", k, "who"), nulls=nulls, key=KEY)
    for part in (identifiers[:cut], identifiers[cut:]):
        distinct = sorted(set(part), key=str, reverse=True)
        bounding.add_all(distinct, np.array([distinct.index(who) for who in part], dtype=np.int32))
    assert bounding.kept().tolist() == kept(identifiers, k=k, nulls=nulls)


def test_many_units_take_little_memory() -> None:
    import tracemalloc

    bounding, places = Bounding(PrivacyUnit("identifier", 1, "who"), nulls="drop", key=KEY), np.arange(10_000)
    tracemalloc.start()
    for batch in range(20):
        bounding.add_all([f"person number {batch * 10_000 + place // 2}" for place in range(10_000)], places)
    assert bounding.kept().sum() == 200_000 - 20 * 5_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000 * 90, "bytes a row, at the worst moment"


def test_a_shared_random_stream_would_fail_that_property() -> None:
    """The planted defect: ranks drawn in file order, so that a unit shifts the draws of those after it."""
    import random

    def shared(identifiers: list[str]) -> list[bool]:
        stream = random.Random(0)
        ranks = [stream.random() for _ in identifiers]
        best = {who: min(r for w, r in zip(identifiers, ranks, strict=True) if w == who) for who in set(identifiers)}
        return [rank == best[who] for who, rank in zip(identifiers, ranks, strict=True)]

    identifiers = ["d", *"abcabcabcabcabc"]
    without = shared(identifiers[1:])
    assert shared(identifiers)[1:] != without


def test_the_choice_depends_on_the_versions_key() -> None:
    identifiers: list[str | None] = [f"{i % 40}" for i in range(400)]
    assert kept(identifiers, k=1) != kept(identifiers, k=1, key=b"o" * 32)
    assert kept(identifiers, k=1) == kept(identifiers, k=1)


def test_rows_without_an_identifier_are_never_one_unit() -> None:
    assert kept([None] * 5, k=2, nulls="drop") == [False] * 5
    assert kept([None] * 5, k=2, nulls="own-unit") == [True] * 5


def test_rows_that_are_units_all_stay() -> None:
    bounding = Bounding(PrivacyUnit(), nulls="drop", key=KEY)
    bounding.add_units(3)
    bounding.add_units(2)
    assert bounding.kept().tolist() == [True] * 5
