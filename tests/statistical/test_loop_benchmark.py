"""The fidelity benchmark runs the product's own path and says what it measured in one line of JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import fidelity, tables
from privacy.values import IntArray
from tests.loop_tables import DOMAIN, distance, people

pytestmark = pytest.mark.statistical


def test_the_last_line_is_json_and_the_table_is_in_the_judges_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = people(6000)
    pd.DataFrame(truth, columns=list(DOMAIN.columns)).to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "domain.json").write_text(json.dumps(dict(zip(DOMAIN.columns, DOMAIN.sizes, strict=True))))
    files = ["--train", str(tmp_path / "train.csv"), "--domain", str(tmp_path / "domain.json")]
    fidelity.main([*files, "--target", "owner", "--epsilon", "3", "--out", str(tmp_path / "made.csv")])
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    made = pd.read_csv(tmp_path / "made.csv")
    assert {"seconds", "peak_rss_mib", "rho", "cliques", "tvd", "rows", "iterations"} <= said.keys()
    assert 0 < said["rho"] <= said["rho_allowed"]
    assert said["cliques"] >= 1
    assert said["tvd"]["2"]["beyond_noise"] <= said["tvd"]["2"]["raw"]
    assert tuple(made.columns) == DOMAIN.columns
    assert len(made) == said["rows"]
    independent = np.stack([np.random.default_rng(i).permutation(truth[:, i]) for i in range(5)], axis=1)
    assert distance(made.to_numpy(), truth) < 0.6 * distance(independent, truth)


def test_the_line_tells_which_proposer_and_what_became_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, rows, seed in (("train", 3000, 0), ("public", 400, 1)):
        frame = pd.DataFrame(people(rows, seed=seed), columns=list(DOMAIN.columns))
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "domain.json").write_text(json.dumps(dict(zip(DOMAIN.columns, DOMAIN.sizes, strict=True))))
    files = ["--train", str(tmp_path / "train.csv"), "--domain", str(tmp_path / "domain.json")]
    files += ["--epsilon", "1", "--purpose", "owner", "--out", str(tmp_path / "made.csv")]
    fidelity.main([*files, "--proposer", "public", "--public", str(tmp_path / "public.csv")])
    good = json.loads(capsys.readouterr().out.splitlines()[-1])
    fidelity.main([*files, "--proposer", "malicious"])
    bad = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (good["proposer"], bad["proposer"]) == ("public", "malicious")
    assert good["weight_on_component_0"] < 0.5
    assert bad["weight_on_component_0"] >= 0.75  # the rest is what the embedded proposer earned
    assert bad["supposed"].startswith("not believed")
    with pytest.raises(SystemExit):
        fidelity.main([*files, "--proposer", "public"])


@pytest.mark.parametrize("epsilon", ["0", "-1"])
def test_an_epsilon_that_is_no_budget_is_refused(tmp_path: Path, epsilon: str) -> None:
    (tmp_path / "domain.json").write_text('{"a": 2}')
    (tmp_path / "train.csv").write_text("a\n0\n1\n")
    files = ["--train", str(tmp_path / "train.csv"), "--domain", str(tmp_path / "domain.json")]
    with pytest.raises(ValueError, match="epsilon"):
        fidelity.main([*files, f"--epsilon={epsilon}", "--out", str(tmp_path / "made.csv")])


def test_a_declared_purpose_measures_every_column_with_it(tmp_path: Path) -> None:
    truth = people(3000)
    asked = fidelity._arguments([*written(tmp_path, truth), "--purpose", "owner"])
    rho = fidelity.accounting.rho_for(epsilon=asked.epsilon, delta=asked.delta)
    plan = fidelity._plan(asked, DOMAIN)
    release = fidelity.measure(
        truth, DOMAIN, ledger=fidelity.MemoryLedger(rho), rho=rho, seed=0, plan=replace(plan, rounds=0, per_round=1)
    )
    measured = {frozenset(table.clique.columns) for table in release.marginals if len(table.clique.columns) == 2}
    assert measured == {frozenset({name, "owner"}) for name in DOMAIN.columns if name != "owner"}


def test_bad_tables_and_purposes_are_refused_in_one_line(tmp_path: Path) -> None:
    options = written(tmp_path, people(50))
    with pytest.raises(SystemExit, match="'nobody' is not a declared column"):
        fidelity.main([*options, "--purpose", "nobody"])
    (tmp_path / "train.csv").write_text("region,age,work,income,owner\n0,0,0,9,0\n")
    with pytest.raises(SystemExit, match="column 'income' may hold whole numbers from 0 to 5"):
        fidelity.main(options)


def written(folder: Path, truth: IntArray) -> list[str]:
    """The options of a run on ``truth`` at epsilon 3."""
    tables.write(truth, DOMAIN, folder / "train.csv")
    tables.write_domain(DOMAIN, folder / "domain.json")
    files = ["--train", str(folder / "train.csv"), "--domain", str(folder / "domain.json")]
    return [*files, "--epsilon", "3", "--out", str(folder / "made.csv")]
