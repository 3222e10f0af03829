"""The page's part on generated tables: other shapes than those the engine was tuned on, and growth with columns."""

from __future__ import annotations

from benchmarks import drawing, records
from benchmarks.records import Line

SHAPES = """## Tables of other shapes

Generated with known structure (`benchmarks/structures.py`), none of them used to choose a constant. *One column at a
time* is the same engine with its whole budget on tables of one column. Two floors, neither private: *another sample*
of the same law, as far from the table as sampling alone brings it; and the table's own columns, each *shuffled*.

```
python -m benchmarks.shapes --epsilon {epsilons} --runs {runs} --record docs/benchmarks/shapes.jsonl
```
"""
GROWTH = """## Growth with columns

A tree of columns, {rows:,} rows, epsilon {epsilon:g}, from reading the file to writing the synthetic one.

```
python -m benchmarks.shapes --growth {columns} --rows {rows} --epsilon {epsilon:g} --record docs/benchmarks/growth.jsonl
```
"""
BELOW = "The table below holds its figures."
LABELS = {"ours": "this project", "one-way": "one column at a time", "sample": "another sample", "shuffled": "shuffled"}
KINDS = {"ours": "own", "one-way": "other", "sample": "floor", "shuffled": "peer"}


def section(lines: list[Line]) -> tuple[str, dict[str, str]]:
    """Markdown and figures (file name -> SVG); empty where nothing was recorded."""
    shapes = [line for line in lines if line["kind"] == "shapes"]
    growth = [line for line in lines if line["kind"] == "growth"]
    first, drawn = _shapes(shapes) if shapes else ("", {})
    second, more = _growth(growth) if growth else ("", {})
    return "\n".join(part for part in (first, second) if part), drawn | more


def _shapes(lines: list[Line]) -> tuple[str, dict[str, str]]:
    by_shape = {name: [line for line in lines if line["shape"] == name] for name in dict.fromkeys(_names(lines))}
    drawn = [_panel(name, here) for name, here in by_shape.items()]
    title = "Mean distance of tables of two columns (TVD2) by epsilon, on generated tables; less is better"
    told = ". ".join(_told(panel) for panel in drawn)
    svg = drawing.panels(title, told, drawn, x_label="epsilon", y_label="TVD2", log_x=True)
    epsilons = " ".join(f"{each:g}" for each in _epsilons(lines))
    runs = 1 + max((line["seed"] for line in lines if "seed" in line), default=0)
    head = SHAPES.format(epsilons=epsilons, runs=runs)
    rows = records.head("table", "what is hard", "epsilon", "", "TVD2", "TVD3", "tables", "CPU s", "MiB", "runs")
    for here in by_shape.values():
        rows += _rows(here)
    return f"{head}\n![{title}. {BELOW}](benchmarks/shapes.svg)\n\n" + "\n".join(rows) + "\n", {"shapes.svg": svg}


def _names(lines: list[Line]) -> list[str]:
    return [line["shape"] for line in lines]


def _epsilons(lines: list[Line]) -> list[float]:
    return sorted({line["epsilon"] for line in lines if "epsilon" in line})


def _rows(lines: list[Line]) -> list[str]:
    about = f"{lines[0]['shape']}: {lines[0]['rows']:,} × {lines[0]['columns']} | {lines[0]['about']}"
    groups: dict[tuple[float, str], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.get("epsilon", float("inf")), line["method"]), []).append(line)
    return [
        _row(about, "–" if epsilon == float("inf") else f"{epsilon:g}", LABELS[method], runs)
        for (epsilon, method), runs in sorted(groups.items(), key=lambda item: item[0][0])
    ]


def _row(about: str, epsilon: str, label: str, runs: list[Line]) -> str:
    made = [run for run in runs if "failure" not in run]
    if not made:
        return f"| {about} | {epsilon} | {label} | {runs[0]['failure']} | | | | | 0 |"
    work = ["–", "–", "–"]
    if "cpu_seconds" in made[0]:
        peak = f"{max(run['peak_mib'] for run in made):,}"
        work = [records.mean(made, "tables", 0), records.mean(made, "cpu_seconds", 0), peak]
    figures = [records.mean(made, "tvd2", 4), records.mean(made, "tvd3", 4)]
    return f"| {about} | {epsilon} | {label} | {' | '.join([*figures, *work])} | {len(made)} |"


def _panel(name: str, lines: list[Line]) -> drawing.Panel:
    """Curves over epsilon; floors are level."""
    ends, curves = _epsilons(lines), []
    for method, label in LABELS.items():
        made = [line for line in lines if line["method"] == method and "failure" not in line]
        points = {e: [line["tvd2"] for line in made if line.get("epsilon", e) == e] for e in ends}
        level = tuple((e, sum(values) / len(values)) for e, values in points.items() if values)
        if level:
            curves.append(drawing.Curve(label, level, KINDS[method]))
    title = f"{name}: {lines[0]['rows']:,} rows, {lines[0]['columns']} columns"
    return drawing.Panel(title, tuple(curves))


def _told(panel: drawing.Panel) -> str:
    return f"{panel.title}: " + "; ".join(
        f"{curve.label} " + ", ".join(f"{y:.3f} at {x:g}" for x, y in curve.points) for curve in panel.curves
    )


def _growth(lines: list[Line]) -> tuple[str, dict[str, str]]:
    lines = sorted(lines, key=lambda line: line["columns"])
    made = [line for line in lines if "failure" not in line]
    head = GROWTH.format(
        rows=lines[0]["rows"], epsilon=lines[0]["epsilon"], columns=" ".join(str(line["columns"]) for line in lines)
    )
    drawn = [
        drawing.Panel(name, (_by_columns(made, key),))
        for name, key in (("CPU seconds", "cpu_seconds"), ("highest memory, MiB", "peak_mib"))
        if made
    ]
    title = "Work by number of columns"
    told = ". ".join(_told(panel) for panel in drawn)
    svg = drawing.panels(title, told, drawn, x_label="columns", y_label="")
    rows = records.head("columns", "tables of two or three", "CPU s", "CPU s a column", "MiB", "TVD2", "TVD3")
    rows += [_grown(line) for line in lines]
    return f"{head}\n![{title}. {BELOW}](benchmarks/growth.svg)\n\n" + "\n".join(rows) + "\n", {"growth.svg": svg}


def _by_columns(lines: list[Line], key: str) -> drawing.Curve:
    return drawing.Curve("this project", tuple((line["columns"], line[key]) for line in lines), "own")


def _grown(line: Line) -> str:
    if "failure" in line:
        return f"| {line['columns']} | {line['failure']} | {line['cpu_seconds']:.0f} | | {line['peak_mib']} | | |"
    each = line["cpu_seconds"] / line["columns"]
    work = f"{line['cpu_seconds']:.0f} | {each:.1f} | {line['peak_mib']}"
    return f"| {line['columns']} | {line['tables']} | {work} | {line['tvd2']:.4f} | {line['tvd3']:.4f} |"
