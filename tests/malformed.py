"""Generated ways to get a declaration, a plan or a codebook wrong; each case is a function of its number.

Every text that a case plants holds CANARY, so that a message that quotes it is caught.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from privacy.plans import adaptive_default
from privacy.values import Clique, Domain
from tests.codebooks import REDCAP_HEADINGS, REDCAP_ROWS, ROWS, TABLE_SCHEMA, csv_of, xlsx_of
from tests.unit.test_privacy_schema import GOOD
from tests.unit.test_privacy_schema_parts import AREA, BORN, DISEASE, OPENS, SHOP, VISIT

CANARY = "zq83749"
DOMAIN = Domain(("a", "b", "c"), (3, 10, 4))
ARTICLE: dict[str, Any] = {
    "name": "article", "type": "string", "other": "another article",
    "discover": {"maxKeys": 20, "maxLength": 30, "maxValues": 500, "delta": "1e-8"},
}  # fmt: skip
WHOLE: dict[str, Any] = deepcopy(GOOD)
WHOLE["fields"] += [VISIT, BORN, OPENS, DISEASE, SHOP, AREA, ARTICLE]
WHOLE["cap"]["discoveryDelta"] = "1e-7"
WRONG: tuple[Any, ...] = (None, True, -1, 0, 2.5, 10**30, "", CANARY, f" {CANARY}\x07", [], [CANARY], [[CANARY]], {},
                          {CANARY: CANARY}, [None], [1, CANARY], "9" * 5000)  # fmt: skip

Case = tuple[str, Any]


def declaration(number: int) -> Case:
    """A declaration with one value replaced, taken out, doubled or misspelt, somewhere in it; what it is about."""
    draw = random.Random(number)
    values = deepcopy(WHOLE)
    column, holder, key = _place(values, draw)
    match draw.randrange(4):
        case 0:
            holder[key] = draw.choice(WRONG)
        case 1 if isinstance(holder, dict):
            del holder[key]
        case 2 if isinstance(holder, dict):
            holder[f"{key}{CANARY}"] = holder.pop(key)
        case _:
            holder[key] = [holder[key], holder[key]]
    return column, values


def _place(values: dict[str, Any], draw: random.Random) -> tuple[str, Any, Any]:
    """Any place in the document, and the column it belongs to."""
    column, holder = "", values
    while True:
        key = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if holder is not values["fields"] and isinstance(holder, dict) and "type" in holder and "name" in holder:
            column = holder["name"] if isinstance(holder["name"], str) else ""
        if not isinstance(holder[key], dict | list) or not holder[key] or draw.random() < 0.2:
            return column, holder, key
        holder = holder[key]


def unit_or_cap(number: int) -> Case:
    """Privacy units and caps whose values cannot be."""
    draw, values = random.Random(number), deepcopy(WHOLE)
    unit, cap = values["privacyUnit"], values["cap"]
    changes: list[Callable[[], Any]] = [
        lambda: unit.update(kind=draw.choice(WRONG)),
        lambda: unit.update(maxRows=draw.choice([0, -3, 2.5, True, "5", 10**9, None, CANARY])),
        lambda: unit.update(column=draw.choice([CANARY, "", None, 4, ["who"]])),
        lambda: unit.update(nullIdentifiers=draw.choice(WRONG)),
        lambda: unit.update(neighbours=draw.choice(WRONG)),
        lambda: unit.update(kind="row"),
        lambda: cap.update(epsilon=draw.choice([0, -1, "NaN", "Infinity", "1e40", True, CANARY, [1], 901])),
        lambda: cap.update(delta=draw.choice([0, 1, -1e-9, "1e-13", "NaN", "", CANARY, [1e-6], 1e9])),
        lambda: cap.update(rho=draw.choice([1, "0.5", CANARY])),
        lambda: values.update(privacyUnit=draw.choice(WRONG)),
        lambda: values.update(cap=draw.choice(WRONG)),
    ]
    draw.choice(changes)()
    return "", values


def bounds_or_cuts(number: int) -> Case:
    """Bounds, bins and cut lists that contradict themselves."""
    draw, values = random.Random(number), deepcopy(WHOLE)
    name = draw.choice(["age", "debt", "price", "visit", "born"])
    field = next(each for each in values["fields"] if each["name"] == name)
    bounds, dated = field["constraints"], "parts" in field
    broken: list[Any] = [CANARY, "", None, True, [0], {}, "NaN", 1e40, "2024-02-30" if dated else "1e99"]
    least, most = bounds["minimum"], bounds["maximum"]
    bins = [{"equalWidth": draw.choice([0, -1, 2001, 2.5, "3", CANARY])}, {"log": draw.choice([0, CANARY, 2001])},
            {"cutPoints": draw.choice([[], [5, 5], [9, 1], [CANARY], [None], [True], CANARY, [10**40], [-(10**6)]])},
            {"equalWidth": 3, "log": 3}, {CANARY: 3}, [CANARY], CANARY, 3, {"cutPoints": [*range(3000)]}]  # fmt: skip
    changes: list[Callable[[], Any]] = [
        lambda: bounds.update(minimum=draw.choice(broken)),
        lambda: bounds.update(maximum=draw.choice(broken)),
        lambda: bounds.update(minimum=most, maximum=least),
        lambda: bounds.update(minimum=most),
        lambda: bounds.pop(draw.choice(["minimum", "maximum"])),
        lambda: field.update(bins=draw.choice(bins)),
        lambda: field.update({draw.choice(["outside", "decimals", "format"]): draw.choice([CANARY, -1, [], True])}),
        lambda: field.update(parts=draw.choice([[], [CANARY], ["month", "quarter"], ["year", "year"], CANARY, 3])),
    ]
    draw.choice(changes)()
    return name, values


def plan(number: int) -> Case:
    """A stored plan with one thing wrong."""
    draw = random.Random(number)
    values = adaptive_default(DOMAIN).to_json()
    pair, share = Clique.of("a", "b").to_json(), {"fixed_share": "0.2"}
    axis = {"column": "a", "bins": []}
    key = draw.choice([key for key in values if key != "purpose"])
    broken = [each for each in WRONG if each not in (None, 0, [])]
    changes: list[dict[str, Any]] = [
        {key: draw.choice(broken)},
        {
            draw.choice(["one_way_share", "fixed_share", "select_share"]): draw.choice(
                ["NaN", "-0.1", "1.5", 0.3, CANARY]
            )
        },
        share,
        {**share, "fixed": [[{**axis, "column": CANARY}]]},
        {
            **share,
            "fixed": [[{**axis, "bins": draw.choice([[0], [5, 5, 5], [0, -1, 1], [10**15], CANARY, [0.5], [[]]])}]],
        },
        {**share, "fixed": [[axis, axis]]},
        {**share, "fixed": [draw.choice([[], CANARY, [CANARY], [{}], {}, None, [None], [{"column": "a"}]])]},
        {**share, "fixed": [pair], "fixed_weights": draw.choice([[1, 2], [0], [CANARY], [1.5], [True], CANARY, [-1]])},
        {"purpose": draw.choice([CANARY, [], {}, {"targets": "a", "weights": {}}, {"targets": [], "weights": {}}])},
        {"purpose": {"targets": [draw.choice([CANARY, 3, None])], "weights": {}}},
        {"purpose": {"targets": ["a"], "weights": draw.choice([{"b": -1}, {"b": "x"}, {"a": 1}, {CANARY: 1}, ["b"]])}},
        {"rounds": draw.choice([1, "2", 2.5, -1])},
        {"rounds": 2, "per_round": draw.choice([0, -1, None, "x", 1.5])},
        {"max_cells": draw.choice([0, -1, 2**30, "9", 2.5, None])},
        {CANARY: 1},
    ]
    return "", values | draw.choice(changes)


def codebook(number: int) -> tuple[str, bytes]:
    """Bytes that are no codebook: cut short, damaged, doubled, mistyped."""
    draw = random.Random(number)
    planted = [[*row[:-1], CANARY] for row in ROWS]
    book, sheet = csv_of(planted), csv_of([REDCAP_HEADINGS, *REDCAP_ROWS])
    schema = json.dumps(TABLE_SCHEMA)
    field = json.dumps(draw.choice([None, 3, CANARY, {"type": "string"}, {"name": 3}, {"name": ""}, {"name": "\x07"},
                                    {"name": "x", "type": CANARY}, {"name": "x", "type": ["string"]},
                                    {"name": "x", "constraints": [CANARY]}]))  # fmt: skip
    made: list[Callable[[], bytes]] = [
        lambda: b"",
        lambda: b"\n\n ; ;\n",
        lambda: draw.randbytes(draw.randrange(1, 300)) + b"\xff",
        lambda: b"PK\x03\x04" + draw.randbytes(200),
        lambda: xlsx_of([[*row] for row in ROWS])[: draw.randrange(30, 400)],
        lambda: b"\xd0\xcf\x11\xe0" + CANARY.encode(),
        lambda: csv_of([[f"{CANARY}{place}" for place in range(3)], [CANARY] * 3]),
        lambda: csv_of([*planted, planted[draw.randrange(1, len(planted))]]),
        lambda: csv_of(planted[:1]),
        lambda: csv_of([*planted, ["", CANARY]]),
        lambda: csv_of([*planted, [f"\x07{CANARY}"]]),
        lambda: book + b'"' + CANARY.encode() + b'"x',
        lambda: csv_of([["name"], *[[f"v{place}"] for place in range(5001)]]),
        lambda: ",".join(f"c{place}" for place in range(101)).encode(),
        lambda: b"name\n" + b"x" * 30_000,
        lambda: book.replace(b"age", b"a\0e"),
        lambda: book.decode().encode("utf-16"),
        lambda: sheet.replace(b'"radio"', f'"{CANARY}"'.encode()),
        lambda: sheet.replace(b'"weight"', b'"age"'),
        lambda: schema.encode()[: draw.randrange(1, len(schema) - 1)],
        lambda: json.dumps({**TABLE_SCHEMA, "fields": draw.choice([None, CANARY, {}, [], 3])}).encode(),
        lambda: f'{{"fields": [{field}]}}'.encode(),
        lambda: b'{"fields": [{"name": "x"}, {"name": "x"}]}',
        lambda: b"[" * draw.randrange(1, 50_000),
        lambda: b'{"fields": [{"name": "x", "name": "y"}]}',
    ]
    return "", draw.choice(made)()
