"""Figures of the benchmarks' page: plain SVG, its own colours for light and dark, words for who cannot see it.

Numbers in, text out; lengths are pixels of the drawing. What tells two curves apart is never their colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from llmsynthor_site.charts import round_levels, scale

STYLE = """
.paper{fill:#ffffff}.grid{stroke:#d4d7dc}.own{fill:#0b5cad;stroke:#0b5cad}.other{fill:#8a5a00;stroke:#8a5a00}
.floor{fill:#5d636b;stroke:#5d636b}.peer{fill:#9aa1ab;stroke:#9aa1ab}.curve{fill:none;stroke-width:2}
text{font:13px system-ui,sans-serif;fill:#1c2024;stroke:none}.small{font-size:11px;fill:#4a5058}.title{font-weight:600}
@media (prefers-color-scheme:dark){
.paper{fill:#15181c}.grid{stroke:#3a4048}.own{fill:#6cb4ff;stroke:#6cb4ff}.other{fill:#f0b357;stroke:#f0b357}
.floor{fill:#a9b1bb;stroke:#a9b1bb}.peer{fill:#6b737e;stroke:#6b737e}text{fill:#eef1f4}.small{fill:#b9c0c9}}
"""
WIDTH = 760
DASHES = {"own": "", "other": "6 4", "floor": "2 3", "peer": "1 3"}


@dataclass(frozen=True)
class Bar:
    """``kind`` is one of the style's classes: own, other, floor, peer. No value: ``note`` says why."""

    label: str
    value: float | None
    kind: str = "peer"
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """``points``: (x, y), in the order of x."""

    label: str
    points: tuple[tuple[float, float], ...]
    kind: str


@dataclass(frozen=True)
class Panel:
    title: str
    curves: tuple[Curve, ...]


def bars(title: str, told: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Horizontal bars in named groups, all on one scale from 0; ``told`` says in words what is seen."""
    highest = max((bar.value or 0.0 for _, group in groups for bar in group), default=0.0) or 1.0
    place = scale(0, highest, 300, WIDTH - 70)
    parts, y = [], 34.0
    for name, group in groups:
        parts.append(_text(16, y + 12, name, "title"))
        y += 22
        for bar in group:
            parts += _bar(bar, y, place(bar.value) - 300 if bar.value is not None else None)
            y += 20
        y += 12
    return _drawing(title, told, y + 4, parts)


def panels(title: str, told: str, drawn: Sequence[Panel], *, x_label: str, y_label: str, log_x: bool = False) -> str:
    """Small charts, two in a row, each with curves over x and a scale of its own that begins at 0."""
    drawn = [panel for panel in drawn if any(curve.points for curve in panel.curves)]
    width, height = WIDTH / 2, 236.0
    parts = [
        part
        for number, panel in enumerate(drawn)
        for part in _panel(panel, number % 2 * width, 34 + number // 2 * height, x_label, y_label, log_x=log_x)
    ]
    bottom = 34 + -(-len(drawn) // 2) * height
    kinds = {curve.kind: curve.label for panel in drawn for curve in panel.curves}
    legend = _legend(kinds, bottom + 10) if len(kinds) > 1 else ()
    return _drawing(title, told, bottom + 26, [*parts, *legend])


def _bar(bar: Bar, y: float, length: float | None) -> list[str]:
    label = _text(290, y + 11, bar.label, "small", anchor="end")
    if length is None or bar.value is None:
        return [label, _text(304, y + 11, bar.note, "small")]
    box = f'<rect class="{bar.kind}" x="300" y="{y:.1f}" width="{max(length, 1):.1f}" height="14"/>'
    return [label, box, _text(306 + length, y + 11, f"{bar.value:.3f}", "small")]


def _panel(panel: Panel, left: float, top: float, x_label: str, y_label: str, *, log_x: bool) -> Iterable[str]:
    """The axes and curves of one chart, 380 wide and 236 high."""
    xs = sorted({x for curve in panel.curves for x, _ in curve.points})
    steps = round_levels(max((y for curve in panel.curves for _, y in curve.points), default=1.0) or 1.0)
    across = scale(xs[0], xs[-1], left + 62, left + 350, logarithmic=log_x)
    up = scale(0, steps[-1], top + 180, top + 24)
    yield _text(left + 16, top + 10, panel.title, "title")
    for step in steps:
        yield f'<path class="grid" d="M{left + 56:.1f} {up(step):.1f}H{left + 356:.1f}"/>'
        yield _text(left + 50, up(step) + 4, f"{step:g}", "small", anchor="end")
    for x in xs:
        yield _text(across(x), top + 196, f"{x:g}", "small", anchor="middle")
    yield _text(left + 206, top + 212, x_label, "small", anchor="middle")
    yield _text(left + 356, top + 10, y_label, "small", anchor="end")
    for curve in panel.curves:
        yield from _curve(curve, [(across(x), up(y)) for x, y in curve.points])


def _curve(curve: Curve, points: Sequence[tuple[float, float]]) -> Iterable[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = f'style="fill:none" stroke-dasharray="{DASHES[curve.kind]}"'
    yield f'<polyline class="curve {curve.kind}" {dashes} points="{path}"/>'
    for x, y in points:
        yield _mark(curve.kind, x, y)


def _mark(kind: str, x: float, y: float) -> str:
    if kind == "own":
        return f'<circle class="own" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    if kind == "other":
        return f'<rect class="other" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    return f'<path class="{kind}" d="M{x - 3:.1f} {y:.1f}h6"/>'


def _legend(kinds: dict[str, str], y: float) -> Iterable[str]:
    x = 16.0
    for kind, label in kinds.items():
        yield f'<path class="curve {kind}" style="fill:none" stroke-dasharray="{DASHES[kind]}" d="M{x} {y - 4}h28"/>'
        yield _mark(kind, x + 14, y - 4)
        yield _text(x + 34, y, label, "small")
        x += 48 + 6.4 * len(label)


def _text(x: float, y: float, words: str, kind: str, *, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _drawing(title: str, told: str, height: float, parts: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" role="img" aria-labelledby="title told">\n'
        f'<title id="title">{escape(title)}</title>\n<desc id="told">{escape(told)}</desc>\n<style>{STYLE}</style>\n'
        f'<rect class="paper" width="{WIDTH}" height="{height:.0f}"/>\n'
        + _text(16, 20, title, "title")
        + "\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )
