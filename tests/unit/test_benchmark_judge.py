"""The benchmarks' judge against brute force, and what it says of files that are not as they should be."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from benchmarks import judge, tables
from privacy.values import Domain, IntArray

DOMAIN = Domain(("a", "b", "c", "d"), (3, 2, 5, 4))


def drawn(rows: int, seed: int, domain: Domain = DOMAIN) -> IntArray:
    return np.random.default_rng(seed).integers(0, domain.sizes, (rows, len(domain.sizes)))


def by_hand(made: IntArray, real: IntArray, columns: tuple[int, ...]) -> float:
    """Half the summed difference of shares, cell by cell."""
    first, second = (Counter(tuple(row[list(columns)].tolist()) for row in codes) for codes in (made, real))
    return sum(abs(first[cell] / len(made) - second[cell] / len(real)) for cell in {*first, *second}) / 2


@pytest.mark.parametrize("columns", [(0,), (2,), (0, 2), (3, 1), (1, 2, 3)])
def test_a_distance_is_what_counting_by_hand_gives(columns: tuple[int, ...]) -> None:
    made, real = drawn(40, 1), drawn(55, 2)
    assert judge.distance(made, real, columns, DOMAIN.sizes) == pytest.approx(by_hand(made, real, columns), abs=1e-12)


def test_tables_too_large_to_lay_out_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made, real = drawn(40, 1), drawn(55, 2)
    whole = judge.distances(made, real, DOMAIN)
    monkeypatch.setattr(judge, "MOST_CELLS", 1)
    assert judge.distances(made, real, DOMAIN) == whole


def test_means_and_worst_are_over_all_tables_of_a_width() -> None:
    made, real = drawn(40, 1), drawn(55, 2)
    found = judge.distances(made, real, DOMAIN)
    for width in (1, 2, 3):
        gaps = [by_hand(made, real, columns) for columns in combinations(range(4), width)]
        assert found[f"tvd{width}"] == pytest.approx(np.mean(gaps), abs=6e-6)
        assert found[f"tvd{width}_max"] == pytest.approx(max(gaps), abs=6e-6)


def test_a_table_is_at_no_distance_from_itself_and_at_one_from_its_opposite() -> None:
    real = drawn(30, 3)
    assert set(judge.distances(real, real[::-1], DOMAIN).values()) == {0.0}
    zeros, ones = np.zeros((5, 4), np.int64), np.ones((7, 4), np.int64)
    assert set(judge.distances(zeros, ones, DOMAIN).values()) == {1.0}


def test_triples_are_a_fixed_sample_and_all_of_them_when_few() -> None:
    assert judge.subsets(5, 3) == list(combinations(range(5), 3))
    many = judge.subsets(30, 3)
    assert len(many) == judge.TRIPLES == len(set(many))
    assert many == judge.subsets(30, 3)
    assert many == sorted(many)


def test_cells_outside_the_domain_count_as_code_0_and_are_told(tmp_path: Path) -> None:
    (tmp_path / "made.csv").write_text("d,c,b,a\n3,4,1,2\n0,x,1,2\n9,1,1,-1\n0,1.5,0,1\n")
    read = tables.read_leniently(tmp_path / "made.csv", DOMAIN)
    assert read.codes.tolist() == [[2, 1, 4, 3], [2, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0]]
    assert read.outside == 0.75


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b,c\n0,0,0\n", "['d']"),
        ("a,b,c,d\n", "no rows"),
        ("a,b,c,d\n0,0,7,0\n", "column 'c' may hold whole numbers from 0 to 4"),
        ("a,b,c,d\n0,secret,0,0\n", "column 'b' may hold whole numbers from 0 to 1"),
        ("", "no CSV file"),
    ],
)
def test_a_table_that_is_none_is_refused_by_column_and_rule_without_its_values(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(tables.BadTable) as caught:
        tables.read_codes(tmp_path / "t.csv", DOMAIN)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "{}", "nonsense", '{"a": 0}', '{"a": "2"}', '{"a": true}'])
def test_a_domain_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "d.json").write_text(text)
    with pytest.raises(tables.BadTable, match=r"^d\.json: "):
        tables.read_domain(tmp_path / "d.json")


def test_a_written_table_is_read_back(tmp_path: Path) -> None:
    codes = drawn(20, 4)
    tables.write(codes, DOMAIN, tmp_path / "t.csv")
    tables.write_domain(DOMAIN, tmp_path / "d.json")
    assert np.array_equal(tables.read_codes(tmp_path / "t.csv", tables.read_domain(tmp_path / "d.json")), codes)


@pytest.mark.parametrize("asked", [["--target", "z"], ["--target", "a", "--positive", "3"]])
def test_the_command_says_what_is_wrong_before_it_installs_anything(tmp_path: Path, asked: list[str]) -> None:
    tables.write(drawn(20, 4), DOMAIN, tmp_path / "t.csv")
    (tmp_path / "d.json").write_text(json.dumps(dict(zip(DOMAIN.columns, DOMAIN.sizes, strict=True))))
    table = str(tmp_path / "t.csv")
    files = ["--train", table, "--test", table, "--synth", table, "--domain", str(tmp_path / "d.json")]
    with pytest.raises(SystemExit, match=r"--target|--positive"):
        judge.main([*files, *asked, "--work", str(tmp_path / "work")])
    assert not (tmp_path / "work").exists()
