"""What stand-in models answer when they are asked about a declared table before anything is measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.protocol import completion

Columns = list[dict[str, Any]]
Answer = tuple[int, bytes]
Behaviour = Callable[[bytes], Answer]
MOST = 10


def columns_of(body: bytes) -> Columns | None:
    """The columns the question is about; None where something else is asked."""
    try:
        found = json.loads(json.loads(body)["messages"][-1]["content"])
    except ValueError:
        return None
    asked = isinstance(found, dict) and found.get("question") == "structure"
    return list(found["columns"]) if asked else None


def answering(structure: Callable[[Columns], Answer]) -> Callable[[Behaviour], Behaviour]:
    """A behaviour that also knows what to say of a table's columns."""

    def extended(behaviour: Behaviour) -> Behaviour:
        @wraps(behaviour)
        def answer(body: bytes) -> Answer:
            columns = columns_of(body)
            return behaviour(body) if columns is None else structure(columns)

        return answer

    return extended


def saying(dependencies: list[Any], rules: list[Any], **message: Any) -> Answer:
    return 200, completion(json.dumps({"dependencies": dependencies, "rules": rules}), **message)


def dependency(*columns: str, reason: str = "They tell of the same thing.") -> dict[str, Any]:
    return {"columns": list(columns), "reason": reason}


def rule(text: str, reason: str = "By definition.") -> dict[str, Any]:
    return {"rule": text, "reason": reason}


def names(columns: Columns) -> list[str]:
    return [column["name"] for column in columns]


def obliging(columns: Columns) -> Answer:
    """Every pair while there are few, and a rule between the first two columns whose labels it was told."""
    found = [dependency(*pair) for pair in combinations(names(columns), 2)][:MOST]
    told = [column for column in columns if len(column.get("labels", [])) > 1]
    first, second = (told[0], told[1]) if len(told) > 1 else (None, None)
    if first is None or second is None:
        return saying(found, [])
    text = f"{first['name']} == {literal(first, 0)} implies {second['name']} != {literal(second, -1)}"
    return saying(found, [rule(text)])


def literal(column: dict[str, Any], place: int) -> str:
    label = str(column["labels"][place])
    quoted = label.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def informed(public: NDArray[np.integer[Any]], columns: Columns) -> Answer:
    """The pairs that hold most information about each other in a public table, and no rule."""
    ranked = ranked_pairs(public)[: 2 * len(columns)]
    return saying([dependency(columns[a]["name"], columns[b]["name"]) for a, b in ranked], [])


def misinformed(public: NDArray[np.integer[Any]], columns: Columns) -> Answer:
    """Whoever knows the table and means harm: the pairs that hold least information about each other."""
    ranked = ranked_pairs(public)[::-1][: 2 * len(columns)]
    return saying([dependency(columns[a]["name"], columns[b]["name"]) for a, b in ranked], [])


def ranked_pairs(table: NDArray[np.integer[Any]]) -> list[tuple[int, int]]:
    """Pairs of columns of a table of codes, by mutual information, the largest first."""
    pairs = list(combinations(range(table.shape[1]), 2))
    return sorted(pairs, key=lambda pair: -information(table[:, pair[0]], table[:, pair[1]]))


def information(left: NDArray[np.integer[Any]], right: NDArray[np.integer[Any]]) -> float:
    """Mutual information in nats, as counted."""
    joint = np.zeros((int(left.max()) + 1, int(right.max()) + 1))
    np.add.at(joint, (left, right), 1 / len(left))
    apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / apart[seen])).sum())


def random_pairs(columns: Columns) -> Answer:
    """Pairs in an order that has nothing to do with the table."""
    rng = np.random.default_rng(len(columns))
    found = list(combinations(names(columns), 2))
    rng.shuffle(found)
    return saying([dependency(*pair) for pair in found[:MOST]], [rule(f"{names(columns)[0]} is not null")])


def malicious(columns: Columns) -> Answer:
    """As many hints as the form lets through, and rules that would forbid everything or say anything."""
    last = names(columns)[-1]
    everything = [dependency(*pair) for pair in combinations(names(columns), 2)] * 9
    rules = [
        rule(f"{last} != {last}"),
        rule(f"{last} < -1 and {last} > 1"),
        rule("__import__('os')"),
        rule("c01 " * 400),
    ]
    return saying(everything, rules * 9)


def truncated(columns: Columns) -> Answer:
    """Cut off at the token limit, in the middle of the second dependency."""
    first = (names(columns) * 2)[:2]
    whole = json.dumps({"dependencies": [dependency(*first)] * 2, "rules": []})
    return 200, completion(whole[: -len(whole) // 4], finish_reason="length")


def orders(text: str) -> Callable[[Columns], Answer]:
    """Orders wherever a text may stand, and one dependency in the asked form."""

    def answer(columns: Columns) -> Answer:
        good = dependency(*(names(columns) * 2)[:2], reason=text)
        bad = dependency(text, text, reason=text)
        told = json.dumps({"dependencies": [good, bad, text], "rules": [rule(text, text)], "next": text})
        calls = [{"id": "call-1", "type": "function", "function": {"name": "fetch", "arguments": "{}"}}]
        return 200, completion(f"{text}\n{told}", model=text, tool_calls=calls)

    return answer


def wrong_types(columns: Columns) -> Answer:
    good = dependency(*(names(columns) * 2)[:2])
    bad = [good | {"columns": "c01"}, good | {"columns": [1, 2]}, good | {"reason": None}, good | {"more": 1}, {}]
    return saying(bad, [{"rule": 3, "reason": []}, rule("") | {"more": 1}])


def wrong_codes(columns: Columns) -> Answer:
    """Columns that were never declared, among others look-alikes of those that were."""
    other = f"c{len(columns) + 1:02d}"
    bad = [("c01", other), ("c00", "c01"), ("с01", "c02"), ("c01", "c0２"), ("c01", "c01")]
    return saying([dependency(*pair) for pair in bad], [rule(f'{other} == "x"'), rule('c01 == "not a label"')])


def duplicate_keys(columns: Columns) -> Answer:
    one = json.dumps(dependency(*(names(columns) * 2)[:2]))
    return 200, completion('{"dependencies": [' + one[:-1] + ', "columns": [], "reason": 1}], "rules": []}')


def thousands(columns: Columns) -> Answer:
    return saying([dependency(*pair) for pair in combinations(names(columns), 2)] * 500, [rule("c01 == c02")] * 2000)


def no_numbers(columns: Columns) -> Answer:
    return 200, completion('{"dependencies": [{"columns": [NaN, 1e999], "reason": Infinity}], "rules": [NaN]}')


def contrary(columns: Columns) -> Answer:
    """Each column depends on nothing but itself."""
    return saying([dependency(name, name) for name in names(columns)], [])
