"""Nothing that anybody may read depends on the rows, but through the mechanisms: with those stubbed, not one byte."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.planted_leaks import LEAKS
from tests.sizes import Note, Repeats

pytestmark = pytest.mark.long_sizes
Tell = Callable[[list[str], str], dict[str, str]]
ROWS = [f"{'fm'[i % 2]},{(i * 13) % 100},{(5, 80)[i % 2]},{('kilo', 'lima', 'mike', '')[i % 4]}" for i in range(300)]
QUICK_LEAKS = ("exact count in a prompt", "value in an error", "keys from the data")


@pytest.fixture(scope="module")
def tell() -> Iterator[Tell]:
    """Tells the whole story of one table, on the same site each time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.noninterference"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip

    def ask(rows: list[str], leak: str = "") -> dict[str, str]:
        table = ("sex,age,pay,code\n" + "\n".join(rows) + "\n").encode()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"table": base64.b64encode(table).decode(), "leak": leak}) + "\n")
        process.stdin.flush()
        told: dict[str, str] = json.loads(process.stdout.readline())
        assert "problem" not in told, told.get("problem")
        return told

    yield ask
    assert process.stdin is not None
    process.stdin.close()
    process.wait(timeout=60)


@pytest.fixture(scope="module")
def base(tell: Tell) -> dict[str, str]:
    return tell(ROWS, "")


def differing(left: dict[str, str], right: dict[str, str]) -> list[str]:
    return [place for place in sorted(left.keys() | right.keys()) if left.get(place) != right.get(place)]


def neighbour(number: int) -> list[str]:
    """One unit more, fewer or other: ordinary, at a bound, missing, or spelled in an unusual way."""
    chance = random.Random(number)
    rows = list(ROWS)
    unit = chance.choice(["m,99,100", "f,0,0", "m,,0", "f, 7 ,3.25", "m,+5,1e1", "f,050,99.999"])
    unit += chance.choice([",kilo", ", lima ", ",november", ",", ",much too long for a key", ',"a,b"', ",another"])
    match number % 3:
        case 0:
            rows.insert(chance.randrange(len(rows)), unit)
        case 1:
            del rows[chance.randrange(len(rows))]
        case _:
            rows[chance.randrange(len(rows))] = unit
    return rows


def test_the_story_is_told_whole(base: dict[str, str]) -> None:
    """What is compared is not empty: a released table, a failed one, prompts, pages and files are all there."""
    assert base["request"] == "released"
    assert any(place.startswith("file ") and "data.csv" in place for place in base)
    assert "discrepancies" in base["bodies"]
    assert "planted" not in base["log.audit_logentry"]
    assert "Failed" in base[f"/requests/{base['broken']}/"]
    pages = [text for place, text in base.items() if place.startswith("/")]
    assert len(pages) > 15
    assert not any(text.startswith("500") for text in pages)


def test_neighbouring_tables_tell_the_same_story_byte_for_byte(
    tell: Tell, base: dict[str, str], is_long: bool, repeats: Repeats, note: Note
) -> None:
    pairs = 0
    for number in repeats(200 if is_long else 1):
        assert differing(base, tell(neighbour(number), "")) == [], f"neighbour {number}"
        pairs = number + 1
    tried = "non-interference, frozen chance, mechanisms stubbed"
    note("C5", tried, f"{pairs} pairs", f"0 of {len(base)} places differ", "identical, byte for byte")


@pytest.mark.parametrize(
    "leak", [each if each in QUICK_LEAKS else pytest.param(each, marks=pytest.mark.long_only) for each in LEAKS]
)
def test_a_planted_leak_is_seen(tell: Tell, leak: str, note: Note) -> None:
    honest, other = tell(ROWS, leak), tell([*ROWS, "m,,100,november"], leak)
    assert differing(honest, other) != []
    size, found = "1 pair", f"seen in {len(differing(honest, other))} of {len(honest)} places"
    note("C5", f"control: {leak}", size, found, "caught: in at least one")
