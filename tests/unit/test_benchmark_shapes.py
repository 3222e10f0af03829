"""The generated shapes have the structure they claim, and the command that measures them runs end to end."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from benchmarks import judge, shapes, structures
from benchmarks.structures import SHAPES, Shape
from privacy.values import IntArray

BY_NAME = {shape.name: shape for shape in SHAPES}


def information(codes: IntArray, one: int, other: int) -> float:
    """Mutual information of two columns, in bits."""
    joint = np.zeros((codes[:, one].max() + 1, codes[:, other].max() + 1))
    np.add.at(joint, (codes[:, one], codes[:, other]), 1 / len(codes))
    alone = joint.sum(1, keepdims=True) @ joint.sum(0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log2(joint[seen] / alone[seen])).sum())


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_shape_stays_in_its_domain_and_repeats_by_seed(shape: Shape) -> None:
    first, again, other = (shape.sample(300, seed=seed) for seed in (0, 0, 1))
    assert first.shape == (300, len(shape.domain.columns))
    assert (first >= 0).all()
    assert (first < np.array(shape.domain.sizes)).all()
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert shape.target in shape.domain.columns


def test_shapes_span_what_they_promise() -> None:
    assert min(shape.rows for shape in SHAPES) == 500
    assert max(shape.rows for shape in SHAPES) == 1_000_000
    widths = [len(shape.domain.columns) for shape in SHAPES]
    assert (min(widths), max(widths)) == (5, 100)


@pytest.mark.parametrize("name", ["tree", "functions", "tails", "classes"])
def test_two_samples_of_one_law_are_nearer_than_its_shuffled_columns(name: str) -> None:
    shape = structures.growing(8, 0) if name == "tree" else BY_NAME[name]
    truth, other = shape.sample(6000, seed=0)[:, :8], shape.sample(6000, seed=1)[:, :8]
    pairs = list(combinations(range(8), 2))
    near, far = (
        np.mean([judge.distance(codes, truth, pair, shape.domain.sizes) for pair in pairs])
        for codes in (other, shapes.shuffled(truth))
    )
    assert near < 0.8 * far


def test_parity_shows_in_threes_alone() -> None:
    codes = BY_NAME["parity"].sample(20_000, seed=0)
    assert max(information(codes, one, other) for one, other in combinations(range(12), 2)) < 0.002
    assert (codes[:, 0] ^ codes[:, 1] != codes[:, 2]).mean() == pytest.approx(0.05, abs=0.01)


def test_functions_all_but_follow_from_two_others() -> None:
    shape = BY_NAME["functions"]
    codes = shape.sample(20_000, seed=0)
    last = len(shape.domain.columns) - 1
    best = 0.0
    for pair in combinations(range(last), 2):
        sizes = [shape.domain.sizes[place] for place in pair]
        key = np.ravel_multi_index(tuple(codes[:, place] for place in pair), sizes)
        table = np.zeros((key.max() + 1, shape.domain.sizes[last]))
        np.add.at(table, (key, codes[:, last]), 1)
        best = max(best, table.max(axis=1).sum() / len(codes))
    assert best > 0.97


def test_rare_codes_come_together() -> None:
    shape = BY_NAME["rare"]
    last = np.array(shape.domain.sizes) - 1
    rare = shape.sample(200_000, seed=0) == last
    assert rare.mean() < 0.003
    assert (rare.sum(axis=1) >= 5).sum() > 100


def test_shuffling_keeps_every_column_and_breaks_what_joins_them() -> None:
    codes = BY_NAME["functions"].sample(3000, seed=0)
    mixed = shapes.shuffled(codes)
    assert all(np.array_equal(np.sort(codes[:, place]), np.sort(mixed[:, place])) for place in range(30))
    assert judge.distances(mixed, codes, BY_NAME["functions"].domain)["tvd2"] > 0.02


def test_the_command_measures_a_small_shape_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "shapes.jsonl"
    shapes.main(["--only", "clinic", "--epsilon", "10", "--record", str(record)])
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said == [json.loads(line) for line in record.read_text().splitlines()]
    assert [line["method"] for line in said] == ["sample", "shuffled", "ours", "one-way"]
    ours, one_way = said[2:]
    assert ours["tables"] > 0
    assert one_way["tables"] == 0
    assert 0 < one_way["rho"] <= 1.0908
    assert ours["cpu_seconds"] > 0
    assert ours["peak_mib"] > 50
    assert ours["tvd2"] < 0.1  # at epsilon 10 five columns are nearly exact; anything broken is far above


@pytest.mark.parametrize(
    "asked", [["--epsilon", "0"], ["--epsilon", "x"], ["--runs", "0"], ["--growth", "1"], ["--only", "nothing"]]
)
def test_what_makes_no_sense_is_refused(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        shapes.main(asked)
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err
