"""The page's part on goals: what was asked of the engine, what it reaches, and what bounds it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import records
from benchmarks.records import Line

INTRO = """## What was asked of the engine, what it reaches, what bounds it

Goals were set before the engine was built, from a prototype and from the best peer of each figure. Measured are means
with the target declared, ± one standard error over runs; *without* are the same without a target. A goal counts as
*met within error* where mean and goal are less than two standard errors apart.
"""
BOUNDS = """### What bounds a figure

The same release rebuilt with noise taken out of it, which only the benchmark can do (NOT PRIVATE): one-way tables
exact; every table exact that was bought; and that with twice the records and sweeps in the loop. What is left in the
last line is neither noise nor the loop's own sampling: it is what the tables that were bought do not say of the rest.

```
python -m benchmarks.bounds --train T.csv --test H.csv --domain D.json --target COL --name {data} \\
    --epsilon {epsilons} --runs {runs} --record docs/benchmarks/bounds.jsonl
```
"""
ONE_WAY = """### Tables of several columns against one column at a time

Mean difference in TVD2 between the engine and the same engine with its whole budget on tables of one column: below 0
the engine is nearer to the truth. The error is that of the difference. Runs are as in *Tables of other shapes*.
Asked: at epsilon 0.1 never worse. Where even the coarsest table's noise is more of the records than a table is worth
(7 %), a table must promise more than its price would win on all one-way tables; where noise outweighs chance alone,
more than chance (`synthesis/loop/policy.py`). Both are decided from released figures.
"""
PROPOSERS = """### What proposers win and cost

{public:,} rows of {data} declared public, {rows:,} private. Asked: at epsilon 1 and above, a random or malicious
proposer costs at most 5 % of TVD2 and .002 against none. *Alone* is the share of records that no proposer speaks for.

```
python -m benchmarks.proposers --train T.csv --domain D.json --name {data} --public-rows {public} \\
    --epsilon {epsilons} --runs {runs} --record docs/benchmarks/proposers.jsonl
```
"""
METHODS = {
    "released": "as released",
    "one-way exact": "NOT PRIVATE: one-way tables exact",
    "all exact": "NOT PRIVATE: every bought table exact",
    "all exact, more": "NOT PRIVATE: the same, twice the records and sweeps",
}
WORDS = {"tvd2": "TVD2", "tvd3": "TVD3", "auc": "AUC"}
DECLARED, PLAIN = "ours-purpose", "ours"
NEAR = 2.0


@dataclass(frozen=True)
class Goal:
    """One figure asked for; of AUC more is better, of distances less."""

    data: str
    epsilon: float
    name: str
    asked: float

    def missed_by(self, value: float) -> float:
        """How far the value is on the wrong side; below 0 on the right one."""
        return self.asked - value if self.name == "auc" else value - self.asked


ASKED = {
    ("adult", 0.1): (0.100, 0.180, 0.890),
    ("adult", 1.0): (0.034, 0.090, 0.912),
    ("adult", 10.0): (0.0175, 0.060, 0.919),
    ("acs", 1.0): (0.038, 0.090, 0.938),
}
GOALS = [Goal(*key, name, value) for key, asked in ASKED.items() for name, value in zip(WORDS, asked, strict=True)]


def section(lines: list[Line]) -> tuple[str, dict[str, str]]:
    """Markdown, and no figures; empty where nothing was recorded for it."""
    made = [line for line in lines if "failure" not in line]
    parts = [_goals(made), _bounds(made), _one_way(made), _proposers(made)]
    found = [part for part in parts if part]
    return ("\n".join(found), {}) if parts[0] else ("", {})


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error; NaN for the error of a single value."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, math.nan
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))


def verdict(goal: Goal, mean: float, error: float) -> str:
    missed = goal.missed_by(mean)
    if missed <= 0:
        return "met"
    return "met within error" if missed < NEAR * error else f"missed by {100 * missed / goal.asked:.1f} %"


def _goals(lines: list[Line]) -> str:
    rows = records.head("table", "epsilon", "", "asked", "best peer", "measured", "without", "runs", "")
    found = [(goal, own) for goal in GOALS if (own := _values(lines, goal, DECLARED))]
    rows += [_goal(lines, goal, own) for goal, own in found]
    return f"{INTRO}\n" + "\n".join(rows) + f"\n\n{_work(lines)}" if found else ""


def _goal(lines: list[Line], goal: Goal, own: list[float]) -> str:
    mean, error = mean_and_error(own)
    plain, peer = _values(lines, goal, PLAIN), _best_peer(lines, goal)
    cells = [goal.data, f"{goal.epsilon:g}", WORDS[goal.name], f"{goal.asked:.4f}"]
    cells += ["–" if peer is None else f"{peer:.4f}", _told(own), _told(plain), str(len(own))]
    return f"| {' | '.join([*cells, verdict(goal, mean, error)])} |"


def _values(lines: list[Line], goal: Goal, synthesizer: str) -> list[float]:
    return [line[goal.name] for line in _of(lines, "peers", goal) if line["synthesizer"] == synthesizer]


def _of(lines: list[Line], kind: str, goal: Goal) -> list[Line]:
    return [x for x in lines if x["kind"] == kind and (x["data"], x.get("epsilon")) == (goal.data, goal.epsilon)]


def _best_peer(lines: list[Line], goal: Goal) -> float | None:
    """The best mean of any peer, so a different one for each figure."""
    peers: dict[str, list[float]] = {}
    for line in _of(lines, "peers", goal):
        if not line["synthesizer"].startswith("ours"):
            peers.setdefault(line["synthesizer"], []).append(line[goal.name])
    means = [sum(values) / len(values) for values in peers.values()]
    return min(means, key=goal.missed_by) if means else None


def _told(values: Sequence[float], digits: int = 4) -> str:
    if not values:
        return "–"
    mean, error = mean_and_error(values)
    return f"{mean:.{digits}f}" + ("" if math.isnan(error) else f" ± {error:.{digits}f}")


def _work(lines: list[Line]) -> str:
    """Time and memory at epsilon 1, of which at most 25 s and 512 MiB were asked."""
    runs = [x for x in lines if x["kind"] == "peers" and x["synthesizer"] == DECLARED and x["epsilon"] == 1.0]
    if not runs:
        return ""
    cpu, peak = _told([run["cpu_seconds"] for run in runs], 1), max(run["peak_mib"] for run in runs)
    return (
        f"At epsilon 1 a run takes {cpu} CPU seconds (asked: at most 25 s; a busy machine needs more\n"
        f"CPU seconds for the same work) and at most {peak} MiB (asked: 512).\n"
    )


def _bounds(lines: list[Line]) -> str:
    found = [line for line in lines if line["kind"] == "bounds"]
    if not found:
        return ""
    rows = records.head("table", "epsilon", "rebuilt from", "TVD2", "TVD3", "AUC", "runs")
    groups = _groups(found, "data", "epsilon", "method")
    for (data, epsilon, method), runs in groups.items():
        figures = [_told([run[name] for run in runs]) for name in WORDS]
        rows.append(f"| {data} | {epsilon:g} | {METHODS[method]} | {' | '.join(figures)} | {len(runs)} |")
    told = [text for goal in GOALS if (text := _bounded(lines, goal))]
    head = BOUNDS.format(data=found[0]["data"], epsilons=_epsilons(found), runs=_runs(found))
    return f"{head}\n" + "\n".join(rows) + "\n" + ("\n" + "\n".join(told) + "\n" if told else "")


def _bounded(lines: list[Line], goal: Goal) -> str:
    """What took noise away from a goal that is not met, and how far that brought it."""
    own = _values(lines, goal, DECLARED)
    tried: dict[str, list[float]] = {}
    for line in _of(lines, "bounds", goal):
        tried.setdefault(line["method"], []).append(line[goal.name])
    if not own or "all exact" not in tried or goal.missed_by(sum(own) / len(own)) <= 0:
        return ""
    means = {method: sum(values) / len(values) for method, values in tried.items()}
    found = ", ".join(f"{means[method]:.4f} {METHODS[method].removeprefix('NOT PRIVATE: ')}" for method in means)
    by = "noise" if goal.missed_by(means["all exact"]) <= 0 else "what the bought tables say, noise or not"
    single = ", by a single run, which moves as much by chance" if min(map(len, tried.values())) == 1 else ""
    asked = f"{goal.data}, epsilon {goal.epsilon:g}, {WORDS[goal.name]} (asked {goal.asked:.4f})"
    return f"- {asked}: {found}. Bound by {by}{single}."


def _one_way(lines: list[Line]) -> str:
    found = [x for x in lines if x["kind"] == "shapes" and x["method"] in {"ours", "one-way"}]
    rows = []
    for (shape, epsilon), runs in _groups(found, "shape", "epsilon").items():
        own, other = ([run["tvd2"] for run in runs if run["method"] == method] for method in ("ours", "one-way"))
        if own and other:
            rows.append(f"| {shape} | {epsilon:g} | {_difference(own, other)} | {len(own)} and {len(other)} |")
    if not rows:
        return ""
    head = records.head("table", "epsilon", "difference in TVD2", "in errors", "runs of each")
    return f"{ONE_WAY}\n" + "\n".join([*head, *rows]) + "\n"


def _difference(own: Sequence[float], other: Sequence[float]) -> str:
    """Noise has no seed, so runs of the same seed are no pairs: errors add in squares."""
    (first, left), (second, right) = mean_and_error(own), mean_and_error(other)
    error = math.hypot(left, right)
    if math.isnan(error):
        return f"{first - second:+.4f} | –"
    return f"{first - second:+.4f} ± {error:.4f} | {(first - second) / max(error, 1e-9):+.1f}"


def _proposers(lines: list[Line]) -> str:
    found = [line for line in lines if line["kind"] == "proposers"]
    runs = [line for line in found if "epsilon" in line]
    if not runs:
        return ""
    rows = records.head("epsilon", "proposer", "TVD2", "against none", "alone", "runs")
    groups = _groups(runs, "epsilon", "method")
    for (epsilon, method), group in groups.items():
        none = groups.get((epsilon, "embedded"), group)
        rows.append(f"| {epsilon:g} | {_proposed(method, group, none)} | {len(group)} |")
    itself = "".join(
        f"\nThe public rows themselves are at {x['tvd2']:.4f}.\n" for x in found if x["method"] == "itself"
    )
    about = {"data": runs[0]["data"], "rows": runs[0]["rows"], "public": runs[0]["public_rows"]}
    head = PROPOSERS.format(**about, epsilons=_epsilons(runs), runs=_runs(runs))
    return f"{head}\n" + "\n".join(rows) + f"\n{itself}"


def _proposed(method: str, group: list[Line], none: list[Line]) -> str:
    values, base = ([run["tvd2"] for run in each] for each in (group, none))
    change = 100 * (sum(values) / len(values) / (sum(base) / len(base)) - 1)
    alone = sum(run["alone"] for run in group) / len(group)
    return f"{method} | {_told(values)} | {'–' if group is none else f'{change:+.1f} %'} | {alone:.3f}"


def _groups(lines: Iterable[Line], *names: str) -> dict[tuple[Any, ...], list[Line]]:
    found: dict[tuple[Any, ...], list[Line]] = {}
    for line in lines:
        found.setdefault(tuple(line[name] for name in names), []).append(line)
    return found


def _epsilons(lines: list[Line]) -> str:
    return " ".join(f"{each:g}" for each in sorted({line["epsilon"] for line in lines}))


def _runs(lines: list[Line]) -> int:
    return 1 + max(line["seed"] for line in lines)
