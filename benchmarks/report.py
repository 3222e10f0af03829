"""Write docs/benchmarks.md, kinds.md, benchmarks-paper.md, sizing.md and their figures from recorded lines.

    python -m benchmarks.report [--results docs/benchmarks] [--check]

The folder holds the lines that ``benchmarks.peers``, ``benchmarks.shapes``, ``benchmarks.bounds``,
``benchmarks.proposers``, ``benchmarks.kinds``, ``benchmarks.paper``, ``benchmarks.shards``, ``benchmarks.sizing`` and
``benchmarks.load`` append with ``--record`` to files ending in .jsonl; a later line about the same run replaces an
earlier one. Figures are written beside them.
``--check`` writes nothing and fails when page or figures are not those of the lines.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks import (
    records,
    report_goals,
    report_kinds,
    report_paper,
    report_peers,
    report_shapes,
    report_sizing,
)

DOCS = Path(__file__).resolve().parent.parent / "docs"
HEAD = """<!-- Written by `python -m benchmarks.report` from the lines in docs/benchmarks/; changes here are lost. -->

# Benchmarks

TVD1, TVD2 and TVD3 are mean total variation distances between the synthetic and the real table, over all tables of
one column, all of two, and a fixed sample of 64 of three: 0 is the same, 1 is nothing in common. AUC is that of a
boosted tree trained on the synthetic table and tested on real rows that nobody synthesized from: 1 is perfect, .5 a
coin. Both come from `benchmarks/judge.py`. Epsilon is for one row, added or removed, at delta 1e-9. CPU s are CPU
seconds of the whole process, reading and writing included; MiB is its highest memory. Means of as many runs as the
tables say; OpenDP's noise has no seed, so another run differs a little.

The commands below append what they find to files in `docs/benchmarks/`, where a later line about the same run replaces
an earlier one, and `python -m benchmarks.report` writes this page and its figures again.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    if not asked.results.is_dir():
        raise SystemExit(f"{asked.results.name}: there is no such folder")
    try:
        lines = records.read(asked.results)
    except records.BadRecords as error:
        raise SystemExit(str(error)) from None
    if not lines:
        raise SystemExit(
            f"{asked.results.name}: no recorded lines; see --help of benchmarks.peers and benchmarks.shapes"
        )
    stale = [path.name for path, text in files(lines, asked.docs).items() if not _settled(path, text, asked.check)]
    if stale:
        raise SystemExit(f"Out of date: {', '.join(stale)}. Run: python -m benchmarks.report")


def files(lines: list[records.Line], docs: Path) -> dict[Path, str]:
    """Every file to write: the pages, and their figures in a folder beside them."""
    kept = records.latest(lines)
    sections: list[str] = []
    figures: dict[Path, str] = {}
    for part in (report_goals, report_peers, report_shapes):
        text, drawn = part.section(kept)
        sections.append(text)
        figures |= {docs / "benchmarks" / name: svg for name, svg in drawn.items()}
    pages = {"benchmarks.md": "\n".join([HEAD, *(each for each in sections if each)])}
    pages_of = {"kinds.md": report_kinds, "benchmarks-paper.md": report_paper, "sizing.md": report_sizing}
    for name, part in pages_of.items():
        pages[name], drawn = part.page(kept)
        figures |= {docs / "benchmarks" / name: svg for name, svg in drawn.items()}
    return {docs / name: text for name, text in pages.items() if text} | figures


def _settled(path: Path, text: str, check: bool) -> bool:
    """Whether the file is as it should be; it is made so, unless it is only checked."""
    if check:
        return path.exists() and path.read_text() == text
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return True


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=DOCS / "benchmarks")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the page goes")
    parser.add_argument("--check", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
