"""The what-if benchmark: its distance, and that its figures tell a what-if from a proposal."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import ecommerce, what_if


def test_distance_is_zero_from_itself_and_follows_the_weights() -> None:
    known = ecommerce.declared()
    truth = ecommerce.coded(ecommerce.draw(20_000, seed=1), known)
    even = np.ones(len(truth))
    assert what_if.distance(known, truth, truth, even) == pytest.approx(0)
    women = truth[:, known.domain.index("gender")] == 1
    assert what_if.distance(known, truth[women], truth, women.astype(float)) == pytest.approx(0)
    assert what_if.distance(known, truth[women], truth, even) > 0.1


def test_a_what_if_comes_near_the_truth_it_supposes_and_a_proposal_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(what_if, "SIZES", (3.0,))
    monkeypatch.setattr(what_if, "TRUTH", 20_000)
    what_if.main(["--runs", "1", "--rows", "800"])
    told = json.loads(capsys.readouterr().out)
    assert told["under"] < 0.65 * told["without"]  # by one run of few rows; by five of more it is .27
    assert told["proposed"] == pytest.approx(told["without"], rel=0.1)
    assert told["floor"] < told["under"]
    assert told["share"]["under"] == pytest.approx(told["supposed"], abs=0.02)


@pytest.mark.parametrize("wrong", [["--runs", "0"], ["--epsilon", "0"], ["--rows", "0"], ["--epsilon", "many"]])
def test_what_cannot_be_run_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        what_if.main(wrong)
