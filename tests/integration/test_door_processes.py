"""The door with real processes that die: no prompt arrives unlogged, no cap is passed, every task ends once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.postgres_server import Server, available
from tests.door_asking import Act, asking
from tests.door_site import POINTS
from tests.door_tasks import TASKS
from tests.sizes import Note, Repeats

pytestmark = [pytest.mark.long_sizes, pytest.mark.xdist_group("door")]


@pytest.fixture(scope="module")
def act(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Act]:
    with asking(tmp_path_factory.mktemp("door")) as act:
        yield act


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Act]:
    """The same acts with the state and the log in PostgreSQL."""
    if not available():
        pytest.skip("PostgreSQL is not installed here")
    server = Server()
    state, log = server.create("state"), server.create("log")
    with asking(tmp_path_factory.mktemp("door"), DATABASE_URL=state, LOG_DATABASE_URL=log) as act:
        yield act
    server.close()


@pytest.fixture(scope="module")
def request_(act: Act) -> str:
    return str(act("ready")["request"])


def test_no_prompt_arrives_unlogged_whoever_dies(
    act: Act, request_: str, is_long: bool, repeats: Repeats, note: Note
) -> None:
    """The stand-in asks the log at each arrival; afterwards every intent is closed once, or listed in doubt."""
    trials = [(point, act("trial", request_, 1 + turn * len(POINTS) + place, point))
              for turn in repeats(25 if is_long else 1) for place, point in enumerate(POINTS)]  # fmt: skip
    arrived = [intent for _, told in trials for intent in told["arrived"]]
    for point, told in trials:
        killed = told["killed"][point.split()[0]]
        assert killed == -9, f"{point}: it was to be killed, and ended with {killed}"
        assert told["open"] == 0
        unanswered = {intent for intent in told["arrived"] if told["after"].get(intent) != "answered"}
        assert all(told["first"][intent] == "in_doubt" for intent in unanswered), f"{point}: {told}"
        assert (told["again"], list(told["after"].values()).count("answered")) == (0, 1), f"{point}: {told}"
    unlogged, doubled = arrived.count(""), len(arrived) - len(set(arrived))
    assert (unlogged, doubled) == (0, 0)
    assert len(arrived) >= len(trials)
    doubts = sum(list(told["after"].values()).count("in_doubt") for _, told in trials)
    assert doubts > 0
    counted = act("reconcile")
    assert counted["mismatches"] == [], "the door's count, the log and the answers agree whoever died"
    note("B1", f"kill -9 at {len(POINTS)} points of door and worker", f"{len(trials)} kills, {len(arrived)} arrivals",
         f"{unlogged} unlogged, {doubled} under a used intent, {doubts} in doubt and listed", "0 unlogged")  # fmt: skip


def test_a_door_that_logs_after_sending_is_caught(
    act: Act, request_: str, is_long: bool, repeats: Repeats, note: Note
) -> None:
    turns = list(repeats(25 if is_long else 1))
    arrived = [intent for turn in turns for intent in act("late", request_, 5000 + turn)["arrived"]]
    assert len(arrived) == len(turns)
    assert set(arrived) == {""}
    size, figure = f"{len(arrived)} arrivals", f"{len(arrived)} unlogged"
    note("B1", "control: a door that logs after sending", size, figure, "caught: above 0")


def test_sixteen_processes_never_pass_the_cap(act: Act, is_long: bool, note: Note) -> None:
    """Exactly as many calls pass as the cap has room for, and a sum without a lock is caught passing it."""
    request, asks = act("ready")["request"], 60 if is_long else 4
    room = 8 * asks
    told = act("race", request, 16, asks, room)
    assert told["passed"] == room
    assert told["spent"] <= told["cap"]
    over = f"{told['spent']} of {told['cap']} tokens set aside"
    note("B1", "the cap on tokens, raced for by 16 processes", f"{16 * asks} asks", over, "never above the cap")
    planted = act("race", request, 16, asks, 4, "planted")
    assert planted["spent"] > planted["cap"]
    over = f"{planted['spent']} of {planted['cap']} tokens set aside"
    note("B1", "control: a cap without a lock", f"{16 * asks} asks", over, "caught: above the cap")


@pytest.mark.parametrize("how", ["killed", "doubled"])
@pytest.mark.parametrize("kind", TASKS)
def test_a_task_has_one_outcome(act: Act, kind: str, how: str, is_long: bool, repeats: Repeats, note: Note) -> None:
    """Killed half-way and taken up again, or worked twice at once."""
    wrong = [amiss(act("task", kind, how, turn), how) for turn in repeats(5 if is_long else 1)]
    assert wrong == [[]] * len(wrong)
    note("B3", f"{kind}: {how}", f"{len(wrong)} tasks", "1 outcome each", "1 outcome each")


def test_half_a_package_is_none_and_the_next_worker_makes_a_whole_one(act: Act) -> None:
    """Killed in the table, before the signature, and with all files written but nothing that knows of them."""
    told = act("half_packages")
    for point, seen in told["kills"].items():
        assert seen["ended"] == -9, point
        assert "data.csv" in seen["files"], f"{point}: half a package was to lie there"
        assert (seen["said"], seen["packages"], seen["jobs"]) == (True, 0, 1), f"{point}: {seen}"
        assert set(seen["answers"].values()) <= {403, 404}, f"{point}: {seen}"
    assert [seen["state"] for seen in told["kills"].values()] == ["synthesising", "comparing", "comparing"]
    assert [("manifest.json" in seen["files"]) for seen in told["kills"].values()] == [False, False, True]
    end = told["end"]
    assert (end["state"], end["findings"], end["strangers"], end["built"]) == ("checking", [], [], 1)
    assert end["rows"] == end["asked"]
    assert told["left"] == {"at once": 2, "a day later": 1}


@pytest.mark.long_only
@pytest.mark.parametrize("how", ["killed", "doubled"])
@pytest.mark.parametrize("kind", TASKS)
def test_a_task_has_one_outcome_on_postgresql(
    on_postgres: Act, kind: str, how: str, repeats: Repeats, note: Note
) -> None:
    wrong = [amiss(on_postgres("task", kind, how, turn), how) for turn in repeats(5)]
    assert wrong == [[]] * len(wrong)
    note("B3", f"postgresql: {kind}: {how}", f"{len(wrong)} tasks", "1 outcome each", "1 outcome each")


def amiss(told: dict[str, Any], how: str) -> list[str]:
    """What went wrong with one task; nothing, if it has one outcome and accounts for all it set aside."""
    rules = {
        "a worker did not end as it should": told["ended"] == ([-9, 0] if how == "killed" else [0, 0]),
        f"{told['outcomes']} outcomes": told["outcomes"] == 1,
        "something is left over": float(told["unaccounted"]) == 0,
        "a question was asked twice": told.get("asked twice", 0) == 0,
    }
    return [rule for rule, holds in rules.items() if not holds]


DEFECTS = [
    ("measure", "killed", "a dead worker's budget forgotten"),
    ("synthesise", "doubled", "a claim without lease and token"),
    ("sweep", "killed", "an event without a name of its own"),
]


@pytest.mark.parametrize(("kind", "how", "defect"), DEFECTS)
def test_a_task_with_a_planted_defect_is_caught(act: Act, kind: str, how: str, defect: str, note: Note) -> None:
    """Control of row B3, by the very rules of the row."""
    wrong = amiss(act("task", kind, how, 0, defect), how)
    assert wrong
    note("B3", f"control: {kind}, {how}: {defect}", "1 task", ", ".join(wrong), "caught")
