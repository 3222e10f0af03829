"""Row A5 with a real door: while the log can take nothing, nothing reaches the model, and repair lets the next go."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import pytest

from benchmarks.postgres_server import Server, available
from tests.door_asking import Act, asking
from tests.door_faults import CLOCK_BACK, GOES_ON, REPAIRED
from tests.sizes import Note, Repeats

pytestmark = [pytest.mark.long_sizes, pytest.mark.xdist_group("door")]
Repair = Callable[[], object]


@dataclass
class House:
    """One site with its stand-in model and a request that may ask; the log is in SQLite where there is no server."""

    folder: Path
    act: Act
    request: str
    numbers: Iterator[int]
    server: Server | None = None

    def amiss(self, fault: str, *, planted: str = "") -> list[str]:
        """What went wrong with one fault and its repair; nothing, if no prompt left and the next one does."""
        intent = self.act("recorded", self.request, next(self.numbers))["intent"]
        repair = FAULTS[fault](self)
        try:
            how = planted or (fault if fault == CLOCK_BACK else "")
            told = self.act("pressed", self.request, intent, next(self.numbers), how)
        finally:
            repair()
        after = self.act("pressed", self.request, "", next(self.numbers), REPAIRED)
        rules = {
            f"{len(told['arrived'])} prompts left": not told["arrived"],
            "the door did not refuse": told["outcome"] == "refused",
            "a worker had its answer": told["worker"] != 0,
            "repaired, it sends nothing": after["worker"] == 0 and len(after["arrived"]) == 1,
            "repaired, it sends what is not in the log": all(after["arrived"]),
        }
        return [rule for rule, holds in rules.items() if not holds]


def moved_away(path: Path) -> Repair:
    away = path.with_name(f"{path.name}.away")
    path.rename(away)

    def back() -> None:
        if path.exists():  # what whoever looked for it made in its place
            path.unlink()
        away.rename(path)

    return back


def down(house: House) -> Repair:
    assert house.server is not None
    house.server.stop("fast")
    return house.server.start


def locked(house: House) -> Repair:
    """By another process, for longer than anybody waits."""
    if house.server is not None:
        holder = psycopg.connect(house.server.url("door"))
        holder.execute("SELECT * FROM audit_loghead FOR UPDATE")
        return holder.close
    other = sqlite3.connect(house.folder / "log.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other.close


def unlinked(house: House) -> Repair:
    """The file alone: nobody has it open, so nothing of it lies elsewhere."""
    back = moved_away(house.folder / "log.sqlite3")

    def repair() -> None:
        for beside in house.folder.glob("log.sqlite3-*"):
            beside.unlink()
        back()

    return repair


def unusable(house: House) -> Repair:
    """A file lies where the folder of anchors was."""
    back = moved_away(house.folder / "anchors")
    (house.folder / "anchors").write_text("not a folder")
    return back


FAULTS: dict[str, Callable[[House], Repair]] = {
    "database down": down,
    "lock held": locked,
    "file unlinked": unlinked,
    "anchor folder unusable": unusable,
    "key missing": lambda house: moved_away(house.folder / "keys" / "log-signing.key"),
    CLOCK_BACK: lambda house: lambda: None,
}
NOT_OF = {"postgresql": ["file unlinked"], "sqlite": ["database down"]}
"""A file of its own is SQLite's alone, a server PostgreSQL's."""


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    if request.param == "postgresql" and not available():
        pytest.skip("PostgreSQL is not installed here")
    server = Server() if request.param == "postgresql" else None
    folder, log = tmp_path_factory.mktemp("door"), {}
    if server is not None:
        log = {"LOG_DATABASE_URL": server.create("door")}
    with asking(folder, **log) as act:
        yield House(folder, act, str(act("ready")["request"]), count(1), server)
    if server is not None:
        server.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_while_the_log_takes_nothing_nothing_leaves(
    house: House, fault: str, is_long: bool, repeats: Repeats, note: Note
) -> None:
    kind = "postgresql" if house.server else "sqlite"
    if fault in NOT_OF[kind]:
        pytest.skip(f"{kind} has no such fault")
    wrong = [house.amiss(fault) for _ in repeats(5 if is_long else 1)]
    assert wrong == [[]] * len(wrong)
    note("A5", f"{kind}, a prompt at the door: {fault}", f"{len(wrong)} times", "0 prompts left, recovered each time",
         "0")  # fmt: skip


@pytest.mark.parametrize("fault", ["key missing", "anchor folder unusable"])
def test_a_door_that_goes_on_when_the_log_refuses_is_caught(house: House, fault: str, note: Note) -> None:
    """Control of row A5, by the very rules of the row."""
    wrong = house.amiss(fault, planted=GOES_ON)
    assert wrong
    kind = "postgresql" if house.server else "sqlite"
    note("A5", f"control: {kind}, {fault}: {GOES_ON}", "1 time", ", ".join(wrong), "caught")
