"""Exports signed by an insider, in which a table was compared with the rows otherwise than its request had said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.audit_story import Story, commit, findings, money, whole

SUBMITTED, BUILT = "synthesis:request:submitted", "synthesis:package:built"
OPENED, MEASURED, COMMIT = "privacy:check:opened", "privacy:check:measured", "privacy:ledger:commit"
CHECK = {"check": "c1", "release": "r1", "population": "p1", "request": "q1"}
UNIT = {"kind": "identifier", "k": 3, "column": "who", "neighbours": "change-one"}
Change = Callable[[Story], Any]


def charge() -> dict[str, Any]:
    """Of one of a check's counts: three rows a unit, and noise of 30 rows, which cost 0.005."""
    told = {"kind": "check", "mechanism": "discrete gaussian", "cliques": [], "sensitivity": "3.0", "scale": "30.0"}
    return commit("e3", "0.005") | told | {"unit": UNIT, "check": {"table": "t1"}, "reservation": "r2"}


def story(*, exact: bool = False) -> Story:
    made = whole()
    made.facts("privacy:ledger:cap_set")["rho"] = "0.6"
    made.facts(SUBMITTED)["disclosure"] = "stewards" if exact else "charged"
    made.facts(BUILT).update(disclosure=made.facts(SUBMITTED)["disclosure"], end_to_end=not exact)
    paid = [] if exact else [("privacy:ledger:reserve", "system", money("r2", "0.01")), (COMMIT, "system", charge())]
    made.entries[made.find(BUILT) : made.find(BUILT)] = [
        (OPENED, "system", CHECK | {"table": "t1", "radius": 1, "exact": exact}),
        *paid,
        (MEASURED, "system", CHECK | {"measurements": [] if exact else ["e3"], "exact": exact}),
    ]
    return made


def told(action: str, nth: int = 0, **facts: Any) -> Change:
    return lambda made: made.facts(action, nth).update(facts)


def dropped(action: str, nth: int = 0) -> Change:
    return lambda made: made.entries.pop(made.find(action, nth))


def twice(action: str) -> Change:
    return lambda made: made.entries.insert(made.find(action), made.entries[made.find(action)])


DEFECTS: dict[str, tuple[Change, str]] = {
    "never asked for": (lambda made: made.facts(SUBMITTED).pop("disclosure"), "did not ask for"),
    "without noise, against the request": (told(OPENED, exact=True), "did not ask for"),
    "a second one": (twice(OPENED), "has a second check"),
    "of another table": (told(COMMIT, 2, check={"table": "t2"}), "another table than the one"),
    "not paid": (told(MEASURED, measurements=[]), "did not pay for"),
    "paid by a table's charge": (told(MEASURED, measurements=["e1"]), "did not pay for"),
    "charged after": (lambda made: made.entries.append(made.entries.pop(made.find(COMMIT, 2))), "not charged before"),
    "for too few rows": (told(COMMIT, 2, sensitivity="1.0", scale="10.0"), "more than its sensitivity"),
    "too cheap": (told(COMMIT, 2, scale="20.0"), "costs more than was charged"),
    "not made": (dropped(MEASURED), "whose check was not made"),
    "not told": (told(BUILT, disclosure="none"), "tells of another check"),
    "too little claimed": (told(BUILT, end_to_end=False), "may not, or too little"),
}


@pytest.mark.parametrize("exact", [False, True])
def test_a_check_as_it_was_asked_for_holds(tmp_path: Path, exact: bool) -> None:
    assert findings(story(exact=exact).write(tmp_path / "export")) == []


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_is_found_for_that_reason(tmp_path: Path, name: str) -> None:
    change, reason = DEFECTS[name]
    made = story()
    change(made)
    assert any(reason in one for one in findings(made.write(tmp_path / "export")))


def test_a_package_that_claims_too_much_after_an_exact_check_is_found(tmp_path: Path) -> None:
    made = story(exact=True)
    made.facts(BUILT)["end_to_end"] = True
    assert any("may not, or too little" in one for one in findings(made.write(tmp_path / "export")))
