"""Whether rows can follow each other as declared: exactly, for every number of them and every kind of member."""

from __future__ import annotations

import copy
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.leaf_chains import Chains
from privacy.problems import SchemaError
from privacy.schema import Schema
from tests import diary_site
from tests.unit.test_diary_tables import related

WORDS = ["home", "work", "school", "shop"]
PAIRS = list(product(WORDS, WORDS))


def town(rules: list[str], *, persons: list[str] | None = None, **trips: Any) -> Schema:
    """The declaration with these rules from row to row, and without those of the tests' site."""
    tables = copy.deepcopy(diary_site.TABLES)
    tables[1]["unitRules"] = [{"rule": rule} for rule in persons or []]
    tables[2] |= {"sequenceRules": [{"rule": rule} for rule in rules], "least": 1, **trips}
    return Schema.parse(diary_site.declaration(tables=tables))


def told(words: list[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def lengths(rules: list[str], *, most: int = 7) -> list[bool]:
    """What is worked out of these rules, whether they are accepted or not."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("privacy.schema.leaf_chains.check", lambda *_: None)
        chains = Chains(related(town(rules, most=most, mostOfUnit=most))[1])
    return chains.lengths(next(chains.kinds())).tolist()


@given(st.sets(st.sampled_from(PAIRS)), st.sets(st.sampled_from(WORDS), min_size=1), st.sets(st.sampled_from(WORDS)))
@settings(max_examples=60)
def test_it_knows_just_the_numbers_of_rows_that_some_rows_could_have(
    follows: set[tuple[str, str]], first: set[str], last: set[str]
) -> None:
    """What may follow what, begin and end is drawn, and walked by hand beside."""
    last = last or set(WORDS)
    rules = [f'`its place` in ["first", "only"] implies purpose in [{told(sorted(first))}]'] if len(first) < 4 else []
    rules += [f'`its place` in ["last", "only"] implies purpose in [{told(sorted(last))}]'] if len(last) < 4 else []
    for word in WORDS:
        after = sorted(one for before, one in follows if before == word)
        if not after:
            rules.append(f'`purpose before` != "{word}"')
        elif len(after) < 4:
            rules.append(f'`purpose before` == "{word}" implies purpose in [{told(after)}]')
    assert lengths(rules) == _counted(follows, first, last, most=7)


def _counted(follows: set[tuple[str, str]], first: set[str], last: set[str], *, most: int) -> list[bool]:
    """By hand: words that could stand at each place."""
    found, there = [], set(first)
    for _ in range(most):
        found.append(bool(there & last))
        there = {after for before, after in follows if before in there}
    return found


def test_a_chain_that_runs_out_is_refused_by_how_long_it_may_be() -> None:
    """Four values that only rise give four rows at most, though any three of them could follow each other."""
    rising = ['`purpose before` == "home" implies purpose != "home"', '`purpose before` != "shop"',
              '`purpose before` == "work" implies purpose in ["school", "shop"]',
              '`purpose before` == "school" implies purpose == "shop"']  # fmt: skip
    assert related(town(rising, most=4, mostOfUnit=16))[1].most == 4
    with pytest.raises(SchemaError, match="no 5 trips in a row keep all rules"):
        town(rising, most=6, mostOfUnit=24)


def test_every_kind_of_member_must_be_able_to_have_rows_unless_it_has_none() -> None:
    nothing = ['`kind of persons` == "other" implies purpose == "shop"',
               '`kind of persons` == "other" implies purpose != "shop"']  # fmt: skip
    with pytest.raises(SchemaError, match=r"no 1 trips in a row.*kind of persons is other"):
        town(nothing)
    none = ['kind == "other" implies `number of trips` == 0']
    assert related(town(nothing, persons=none))[0].member_rules
    with pytest.raises(SchemaError, match="no 1 trips in a row"):
        town(nothing, persons=['kind == "other" implies `number of trips` <= 2'])


def test_rules_say_only_how_many_rows_there_are_at_most() -> None:
    with pytest.raises(SchemaError, match="a rule may only say how many `number of trips` is at most"):
        town([], persons=['kind == "worker" implies `number of trips` >= 2'])


def test_lengths_that_come_round_are_known_without_walking_all_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out and back and out again: of 300 rows, every second number ends at home."""
    rules = ['`purpose before` is null implies purpose == "work"',
             '`purpose before` == "home" implies purpose == "work"',
             '`purpose before` == "work" implies purpose == "home"',
             '`its place` in ["last", "only"] implies purpose == "home"']  # fmt: skip
    steps, followed = list[int](), Chains._followed

    def counted(chains: Chains, reached: Any, kind: Any, place: int) -> Any:
        steps.append(place)
        return followed(chains, reached, kind, place)

    monkeypatch.setattr(Chains, "_followed", counted)
    assert lengths(rules, most=300) == [count % 2 == 0 for count in range(1, 301)]
    assert len(steps) < 20
