"""The benchmarks' page says what was recorded, and notices when it does not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import records, report

SVG = "{http://www.w3.org/2000/svg}"


def peer(name: str, **changed: Any) -> dict[str, Any]:
    return {
        "kind": "peers", "data": "census", "rows": 2000, "columns": 4, "target": "a>b", "positive": "5,6",
        "tested": 500, "synthesizer": name, "label": name.upper(), "library": "lib 1", "epsilon": 1.0, "delta": 1e-9,
        "seed": 0, "seconds": 9.0, "cpu_seconds": 4.0, "peak_mib": 1100,
        "tvd1": 0.01, "tvd2": 0.02, "tvd3": 0.03, "auc": 0.9,
    } | changed  # fmt: skip


def shape(method: str, **changed: Any) -> dict[str, Any]:
    return {
        "kind": "shapes", "shape": "odd", "about": "odd <things>", "rows": 300, "columns": 7, "method": method,
        "tvd2": 0.2, "tvd3": 0.3,
    } | changed  # fmt: skip


PRIVATE = {"seed": 0, "seconds": 2.0, "cpu_seconds": 2.4, "peak_mib": 99, "tables": 5, "rho": 0.1}
LINES = [
    peer("ours", tvd2=0.02),
    peer("ours", tvd2=0.04, seed=1, peak_mib=1200),
    peer("other", epsilon=10.0, failure="no result in 5 s"),
    {key: value for key, value in peer("floor-again").items() if key not in {"epsilon", "seed", "cpu_seconds"}},
    shape("sample", tvd2=0.1),
    shape("ours", epsilon=0.1, **PRIVATE),
    shape("ours", epsilon=10.0, **PRIVATE | {"tables": 9}),
    shape("one-way", epsilon=0.1, failure="it broke", **PRIVATE),
    {"kind": "growth", "rows": 300, "columns": 30, "epsilon": 1.0, "cpu_seconds": 60.0, "peak_mib": 210, "tables": 40,
     "tvd2": 0.05, "tvd3": 0.06},
    {"kind": "growth", "rows": 300, "columns": 14, "epsilon": 1.0, "cpu_seconds": 28.0, "peak_mib": 200, "tables": 20,
     "tvd2": 0.04, "tvd3": 0.05},
]  # fmt: skip


def recorded(folder: Path, lines: list[dict[str, Any]]) -> list[str]:
    """A folder of lines; the report's own options for it."""
    folder.mkdir()
    (folder / "all.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return ["--results", str(folder), "--docs", str(folder / "docs")]


@pytest.fixture
def made(tmp_path: Path) -> tuple[list[str], Path]:
    options = recorded(tmp_path / "lines", LINES)
    report.main(options)
    return options, tmp_path / "lines" / "docs"


def test_runs_are_averaged_and_memory_is_the_highest(made: tuple[list[str], Path]) -> None:
    page = (made[1] / "benchmarks.md").read_text()
    assert "| 1 | OURS (lib 1) | 0.0100 | 0.0300 | 0.0300 | 0.9000 | 4 | 1,200 | 2 |" in page
    assert "| 10 | OTHER (lib 1) | no result in 5 s | | | | 4 | 1,100 | 0 |" in page
    assert "| – | FLOOR-AGAIN (lib 1) | 0.0100 | 0.0200 | 0.0300 | 0.9000 | – | – | 1 |" in page
    assert "| odd: 300 × 7 | odd <things> | 0.1 | this project | 0.2000 | 0.3000 | 5 | 2 | 99 | 1 |" in page
    assert "| odd: 300 × 7 | odd <things> | 0.1 | one column at a time | it broke |" in page
    assert page.index("| 14 | 20 | 28 | 2.0 | 200 |") < page.index("| 30 | 40 | 60 | 2.0 | 210 |")


def test_every_figure_says_how_it_was_made(made: tuple[list[str], Path]) -> None:
    page = (made[1] / "benchmarks.md").read_text()
    assert "--target 'a>b' --positive 5,6" in page
    assert "--epsilon 1 10 --runs 2 --record docs/benchmarks/peers.jsonl" in page
    assert "python -m benchmarks.shapes --epsilon 0.1 10 --runs 1" in page
    assert "--growth 14 30 --rows 300 --epsilon 1" in page


def test_figures_are_drawings_with_words_and_a_dark_side(made: tuple[list[str], Path]) -> None:
    page = (made[1] / "benchmarks.md").read_text()
    named = re.findall(r"!\[([^\]]+)\]\((benchmarks/[a-z-]+\.svg)\)", page)
    assert [name for _, name in named] == [f"benchmarks/{each}.svg" for each in ("peers-census", "shapes", "growth")]
    for words, name in named:
        drawing = ElementTree.fromstring((made[1] / name).read_text())
        title, told = drawing.find(f"{SVG}title"), drawing.find(f"{SVG}desc")
        assert title is not None
        assert title.text is not None
        assert words.startswith(title.text)
        assert told is not None
        assert told.text
        assert "prefers-color-scheme:dark" in (drawing.findtext(f"{SVG}style") or "")
        width, height = (float(drawing.attrib[side]) for side in ("width", "height"))
        for text in drawing.iter(f"{SVG}text"):
            assert 0 <= float(text.attrib["x"]) <= width
            assert 0 <= float(text.attrib["y"]) <= height


def test_bars_are_as_long_as_their_values(made: tuple[list[str], Path]) -> None:
    drawing = ElementTree.fromstring((made[1] / "benchmarks" / "peers-census.svg").read_text())
    bars = {kind: each for each in drawing.iter(f"{SVG}rect") if (kind := each.attrib["class"]) != "paper"}
    ours, floor = float(bars["own"].attrib["width"]), float(bars["floor"].attrib["width"])
    assert ours / floor == pytest.approx(0.03 / 0.02, rel=0.01)
    assert "no result in 5 s" in "".join(drawing.itertext())


def test_a_later_line_replaces_an_earlier_one_about_the_same_run() -> None:
    lines = [peer("ours", tvd2=0.5), peer("other"), peer("ours", tvd2=0.1), peer("ours", seed=1)]
    kept = records.latest(lines)
    assert [(line["synthesizer"], line["seed"]) for line in kept] == [("ours", 0), ("other", 0), ("ours", 1)]
    assert kept[0]["tvd2"] == 0.1


def test_the_check_passes_fails_and_writes_nothing(made: tuple[list[str], Path]) -> None:
    options, docs = made
    report.main([*options, "--check"])
    page = docs / "benchmarks.md"
    page.write_text(page.read_text().replace("0.0300", "0.0200"))
    changed = page.read_text()
    (docs / "benchmarks" / "growth.svg").unlink()
    with pytest.raises(SystemExit, match=r"Out of date: benchmarks\.md, growth\.svg"):
        report.main([*options, "--check"])
    assert page.read_text() == changed
    assert not (docs / "benchmarks" / "growth.svg").exists()


@pytest.mark.parametrize("kind", ["peers", "shapes", "growth"])
def test_a_page_of_one_part_alone_is_written(tmp_path: Path, kind: str) -> None:
    report.main(recorded(tmp_path / "lines", [line for line in LINES if line["kind"] == kind]))
    page = (tmp_path / "lines" / "docs" / "benchmarks.md").read_text()
    assert page.count("\n## ") == 1


def test_a_shape_whose_runs_are_missing_or_failed_is_told_without_a_curve(tmp_path: Path) -> None:
    lines = [shape("sample"), shape("ours", epsilon=1.0, failure="no result in 5 s", **PRIVATE)]
    report.main(recorded(tmp_path / "lines", lines))
    assert "no result in 5 s" in (tmp_path / "lines" / "docs" / "benchmarks.md").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"kind": "peers"}\nnonsense\n', r"all\.jsonl, line 2"), ("[1]\n", "line 1"), ("", "no recorded lines")],
)
def test_lines_that_are_none_are_refused(tmp_path: Path, text: str, said: str) -> None:
    options = recorded(tmp_path / "lines", [])
    (tmp_path / "lines" / "all.jsonl").write_text(text)
    with pytest.raises(SystemExit, match=said):
        report.main(options)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="there is no such folder"):
        report.main(["--results", str(tmp_path / "none")])
