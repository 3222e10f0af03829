"""Peers run in processes of their own: what is measured of them, how they end, and what the command refuses."""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import opendp.extras.mbi._mst as library_mst
import opendp.prelude as dp
import pytest

from benchmarks import environments, judge, peers, processes, structures, synthesizers, tables

COPY = """
import json, shutil, sys
asked = dict(zip(sys.argv[1::2], sys.argv[2::2]))
shutil.copy(asked["--train"], asked["--out"])
print(json.dumps({"library": "copy 1"}))
"""


def python(code: str, *, seconds: float = 60) -> processes.Done:
    return processes.run([sys.executable, "-c", code], seconds=seconds)


def test_the_parts_of_a_peers_budget_stay_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirteen choices, as on a table of fourteen columns, composed by OpenDP; its own parts do exceed the whole."""
    monkeypatch.setitem(sys.modules, "polars", ModuleType("polars"))  # is in the peer's environment alone
    below = importlib.import_module("benchmarks.peer_opendp").below

    def exceeds(part: Callable[[float], float], budget: float) -> bool:
        space = dp.vector_domain(dp.atom_domain(T=int)), dp.l1_distance(T=int)
        parts = [part(budget / 13)] * 13
        spent = dp.c.make_adaptive_composition(*space, dp.zero_concentrated_divergence(), d_in=1, d_mids=parts)
        return bool(spent.map(1) > budget)

    dp.enable_features("contrib")
    budgets = [0.00037 * step for step in range(1, 100)]
    assert any(exceeds(library_mst.prior, budget) for budget in budgets)
    assert not any(exceeds(below, budget) for budget in budgets)


def test_work_and_memory_are_the_childs_own() -> None:
    ballast = bytearray(300 * 2**20)
    done = python("import time\nx = bytearray(b'x' * 64 * 2**20)\ntime.sleep(1)\nprint('noise')\nprint('{\"a\": 1}')")
    assert done.said == {"a": 1}
    assert done.failure == ""
    assert 60 < done.peak_mib < 200 < len(ballast) / 2**20
    assert 0 < done.cpu_seconds < 10


def test_cpu_seconds_hold_those_of_what_the_child_started() -> None:
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    done = python(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}])\nprint('{{}}')")
    assert done.cpu_seconds >= 0.5


def test_after_its_time_it_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    late = f"import time; time.sleep(3); open({str(tmp_path / 'late')!r}, 'w')"
    done = python(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {late!r}])", seconds=0.5)
    assert done.failure == "no result in 0.5 s"
    time.sleep(3.5)
    assert not (tmp_path / "late").exists()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('why it failed')", "ValueError: why it failed"),
        ("raise ValueError('in\\n  two lines')", "ValueError: in"),
        ("import sys; sys.exit(3)", "ended with status 3"),
        ("print('words')", "its last line is no JSON object"),
        ("print([1])", "its last line is no JSON object"),
    ],
)
def test_a_failure_is_told_in_one_line(code: str, said: str) -> None:
    done = python(code)
    assert done.failure == said
    assert done.said == {}


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that hands back the real table, one that fails, and a judge's tree that needs no installing."""
    own = {
        "copy": synthesizers.Synthesizer("a copy", None, lambda python, job: [python, "-c", COPY, *job.files]),
        "broken": synthesizers.Synthesizer(
            "a broken one", None, lambda python, job: [python, "-c", "raise OSError(1)"]
        ),
    }
    monkeypatch.setattr(peers, "SYNTHESIZERS", own)
    monkeypatch.setattr(environments, "ready", lambda name, work: Path(sys.executable))
    monkeypatch.setattr(judge, "usefulness", lambda *files, **options: {"auc": 0.75, "acc": 0.5, "f1": 0.5})


@pytest.mark.usefixtures("planted")
def test_each_synthesizer_is_measured_and_judged_against_the_training_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "peers.jsonl"
    peers.main(["--generated", "--rows", "400", "--epsilon", "1", "--only", "copy", "broken", "--record", str(record)])
    again, mixed, copy, broken = (json.loads(line) for line in record.read_text().splitlines())
    assert copy["tvd1"] == copy["tvd2"] == copy["tvd3"] == 0
    assert (copy["rows"], copy["made"], copy["tested"], copy["library"]) == (400, 400, 100, "copy 1")
    assert broken["failure"] == "OSError: 1"
    assert "tvd2" not in broken
    assert mixed["tvd1"] == 0 < mixed["tvd2"]
    assert again["tvd1"] > 0
    last = capsys.readouterr().out.splitlines()[-2:]
    assert "0.0000" in last[0]
    assert "OSError: 1" in last[1]


def test_every_peer_gets_the_same_budget_and_only_the_training_rows(tmp_path: Path) -> None:
    job = synthesizers.Job(tmp_path / "T.csv", tmp_path / "D.json", "y", tmp_path / "S.csv", "1", "1e-9", 3)
    for name, each in synthesizers.SYNTHESIZERS.items():
        command = each.command("PYTHON", job)
        given = dict(pairwise(command))
        assert given["--train"] == str(job.train)
        assert given["--out"] == str(job.out)
        assert "--test" not in command
        if name.startswith("opendp"):
            assert float(given["--rho"]) == pytest.approx(0.014973, rel=1e-4)
        else:
            assert (given["--epsilon"], given["--delta"]) == ("1", "1e-9")


@pytest.mark.parametrize(
    "asked",
    [
        ["--epsilon", "1"],
        ["--generated", "--epsilon", "0"],
        ["--generated", "--epsilon", "1", "--delta", "1"],
        ["--generated", "--epsilon", "1", "--train", "T.csv"],
        ["--generated", "--epsilon", "1", "--runs", "0"],
        ["--generated", "--epsilon", "1", "--only", "nobody"],
    ],
)
def test_what_makes_no_sense_is_refused(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        peers.main(asked)
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--train", "none.csv"], r"none\.csv: there is no such file"),
        (["--target", "nobody"], "'nobody' is not a declared column"),
        (["--positive", "9"], "--positive: codes of the target from 0 to 1"),
    ],
)
def test_files_are_looked_at_before_anything_is_installed(tmp_path: Path, changed: list[str], said: str) -> None:
    shape = structures.SHAPES[0]
    tables.write(shape.sample(50, seed=0), shape.domain, tmp_path / "t.csv")
    tables.write_domain(shape.domain, tmp_path / "d.json")
    table = str(tmp_path / "t.csv")
    files = ["--train", table, "--test", table, "--domain", str(tmp_path / "d.json"), "--target", shape.target]
    with pytest.raises(SystemExit, match=said):
        peers.main([*files, "--epsilon", "1", "--work", str(tmp_path / "work"), *changed])
    assert not (tmp_path / "work").exists()
