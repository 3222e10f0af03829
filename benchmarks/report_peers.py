"""The page's part on other synthesizers: a table and a figure for every real or generated table tried."""

from __future__ import annotations

from benchmarks import drawing, records
from benchmarks.records import Line

COMMAND = """```
python -m benchmarks.peers --train T.csv --test H.csv --domain D.json --target {target}{positive} \\
    --name {data} --epsilon {epsilons} --runs {runs} --record docs/benchmarks/peers.jsonl
```
"""
GENERATED = """```
python -m benchmarks.peers --generated --rows {rows} --epsilon {epsilons} --runs {runs} \\
    --record docs/benchmarks/peers.jsonl
```
"""
INTRO = """## Beside other private synthesizers

Each synthesizer runs in a process and an environment of its own, on the same rows, with the same budget and the same
judge. Peers are used as their libraries offer them; OpenDP's are sampled from the fitted model (`method="sample"`),
which is more faithful than its default. The parts of the budget that OpenDP 0.16.0's MST makes exceed the whole by one
rounding, which it then refuses: each part is given a millionth of a millionth less. Lines marked NOT PRIVATE say where
sampling alone ends. Real tables are not part of this repository: the command takes files of codes, or generates a
table.
"""


def section(lines: list[Line]) -> tuple[str, dict[str, str]]:
    """Markdown and figures (file name -> SVG); empty where nothing was recorded."""
    found = [line for line in lines if line["kind"] == "peers"]
    parts, figures = [INTRO] if found else [], {}
    for data in dict.fromkeys(line["data"] for line in found):
        here = [line for line in found if line["data"] == data]
        name, svg, title = _figure(data, here)
        figures[name] = svg
        picture = f"![{title}. The table below holds its figures.](benchmarks/{name})"
        parts.append(f"### {data}\n\n{_size(here)}\n\n{_command(here)}\n{picture}\n\n{_table(here)}")
    return "\n".join(parts), figures


def _groups(lines: list[Line]) -> dict[tuple[float, str], list[Line]]:
    """Runs of one synthesizer at one epsilon; what is not private stands with every epsilon's, as infinity."""
    found: dict[tuple[float, str], list[Line]] = {}
    for line in lines:
        found.setdefault((line.get("epsilon") or float("inf"), line["synthesizer"]), []).append(line)
    return dict(sorted(found.items(), key=lambda item: item[0][0]))


def _size(lines: list[Line]) -> str:
    return f"{lines[0]['rows']:,} rows, {lines[0]['columns']} columns; judged on {lines[0]['tested']:,} other rows."


def _command(lines: list[Line]) -> str:
    epsilons = " ".join(f"{each:g}" for each in sorted({line["epsilon"] for line in lines if line.get("epsilon")}))
    runs = max(len(runs) for runs in _groups(lines).values())
    if lines[0]["data"] == "generated":
        return GENERATED.format(rows=lines[0]["rows"], epsilons=epsilons, runs=runs)
    positive = f" --positive {lines[0]['positive']}" if lines[0]["positive"] != "1" else ""
    target = f"'{lines[0]['target']}'"
    return COMMAND.format(target=target, positive=positive, data=lines[0]["data"], epsilons=epsilons, runs=runs)


def _table(lines: list[Line]) -> str:
    rows = records.head("epsilon", "synthesizer", "TVD1", "TVD2", "TVD3", "AUC", "CPU s", "MiB", "runs")
    for (epsilon, _), runs in _groups(lines).items():
        first, made = runs[0], [run for run in runs if "failure" not in run]
        label = first["label"] + (f" ({first['library']})" if first.get("library") else "")
        head = f"| {'–' if epsilon == float('inf') else f'{epsilon:g}'} | {label} |"
        if not made:
            spent = f"{records.mean(runs, 'cpu_seconds', 0)} | {_peak(runs)}"
            rows.append(f"{head} {first['failure']} | | | | {spent} | 0 |")
            continue
        figures = [records.mean(made, name, 4) for name in ("tvd1", "tvd2", "tvd3", "auc")]
        work = [records.mean(made, "cpu_seconds", 0), _peak(made)] if "cpu_seconds" in first else ["–", "–"]
        rows.append(f"{head} {' | '.join([*figures, *work])} | {len(made)} |")
    return "\n".join(rows) + "\n"


def _peak(runs: list[Line]) -> str:
    return f"{max(run['peak_mib'] for run in runs):,}"


def _figure(data: str, lines: list[Line]) -> tuple[str, str, str]:
    """File name, SVG (which holds its figures in words too), and title."""
    groups: dict[str, list[drawing.Bar]] = {}
    for (epsilon, name), runs in _groups(lines).items():
        heading = "not private" if epsilon == float("inf") else f"epsilon {epsilon:g}"
        groups.setdefault(heading, []).append(_bar(name, runs))
    told = "; ".join(f"{heading}: {', '.join(map(_said, group))}" for heading, group in groups.items())
    title = f"Mean distance of tables of two columns from the real ones (TVD2), {data}; less is better"
    return f"peers-{data}.svg", drawing.bars(title, told, list(groups.items())), title


def _bar(name: str, runs: list[Line]) -> drawing.Bar:
    made = [run for run in runs if "failure" not in run]
    kind = "own" if name.startswith("ours") else "floor" if name.startswith("floor") else "peer"
    if not made:
        return drawing.Bar(runs[0]["label"], None, kind, runs[0]["failure"][:60])
    return drawing.Bar(runs[0]["label"], sum(run["tvd2"] for run in made) / len(made), kind)


def _said(bar: drawing.Bar) -> str:
    return f"{bar.label} {bar.note if bar.value is None else f'{bar.value:.3f}'}"
