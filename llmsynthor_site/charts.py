"""Geometry of the drawings on the pages: plain numbers in, plain numbers out, nothing about HTML.

Drawings are SVG written by the server, so that they need no script and print on paper. Lengths are in the
user units of each drawing's view box.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LOG_FROM_RATIO = 20.0
"""A curve whose largest value is this many times its smallest is drawn on a logarithmic scale."""
BAR_WIDTH = 1000.0
SLIVER = 4.0
"""A share too small to see is still drawn this wide: the ledger shows every charge."""


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Frame:
    """The plotting area inside a drawing."""

    left: float = 58.0
    right: float = 524.0
    top: float = 14.0
    bottom: float = 232.0
    width: float = 540.0
    height: float = 294.0


@dataclass(frozen=True, slots=True)
class LineChart:
    frame: Frame
    points: tuple[tuple[float, float], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    floor_y: float
    logarithmic: bool

    @property
    def polyline(self) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


def line_chart(series: Sequence[tuple[int, float]], *, floor: float, frame: Frame | None = None) -> LineChart | None:
    """A curve over whole-numbered steps and a line at ``floor`` (above 0); None when nothing can be drawn."""
    frame = frame or Frame()
    # What lies far below the floor is noise about noise: it is drawn at the bottom, not on a scale of its own.
    finite = [(step, max(value, floor / 100)) for step, value in series if math.isfinite(value) and value >= 0]
    if not finite:
        return None
    steps, values = [step for step, _ in finite], [floor, *(value for _, value in finite)]
    logarithmic = max(values) / min(values) > LOG_FROM_RATIO
    levels = _log_levels(min(values), max(values)) if logarithmic else round_levels(max(values))
    x = scale(min(steps), max(steps), frame.left, frame.right)
    y = scale(levels[0], levels[-1], frame.bottom, frame.top, logarithmic=logarithmic)
    return LineChart(
        frame=frame,
        points=tuple((x(step), y(value)) for step, value in finite),
        x_ticks=tuple(Tick(x(step), str(step)) for step in _whole_steps(min(steps), max(steps))),
        y_ticks=tuple(Tick(y(level), f"{level:g}") for level in levels),
        floor_y=y(floor),
        logarithmic=logarithmic,
    )


def scale(low: float, high: float, start: float, stop: float, *, logarithmic: bool = False) -> Callable[[float], float]:
    """A map from numbers between ``low`` and ``high`` onto the stretch from ``start`` to ``stop``."""
    bend: Callable[[float], float] = math.log if logarithmic else float
    span = (bend(high) - bend(low)) or 1.0

    def place(value: float) -> float:
        return start + (bend(value) - bend(low)) / span * (stop - start)

    return place


def round_levels(highest: float) -> list[float]:
    """Round numbers from 0 to just above ``highest``, four to six of them."""
    step = _round_up(highest / 5)
    return [round(step * i, 10) for i in range(math.ceil(highest / step * (1 - 1e-9)) + 1)]


def _log_levels(lowest: float, highest: float) -> list[float]:
    """Powers of ten that enclose the values, with 2 and 5 between them while they are few."""
    first, last = math.floor(math.log10(lowest)), math.ceil(math.log10(highest))
    stride = math.ceil((last - first) / 7)
    digits = (1, 2, 5) if last - first <= 2 else (1,)
    grid = [digit * 10.0**power for power in range(first, last + stride, stride) for digit in digits]
    below = max(level for level in grid if level <= lowest * (1 + 1e-9))
    above = min(level for level in grid if level >= highest * (1 - 1e-9))
    return [level for level in grid if below <= level <= above]


def _round_up(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= step * (1 - 1e-9))


def _whole_steps(first: int, last: int) -> list[int]:
    stride = max(1, int(_round_up(max(1, (last - first) / 6))))
    inner = [step for step in range(first - first % stride, last + 1, stride) if step > first]
    return [first, *inner]


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    amount: float
    x: float
    width: float


def bar(amounts: Sequence[tuple[str, float]], *, width: float = BAR_WIDTH) -> tuple[Part, ...]:
    """Lay named amounts side by side over ``width``; amounts of zero take no room, small ones a sliver."""
    if any(amount < 0 for _, amount in amounts):
        raise ValueError("a part of a bar cannot be negative")
    total = sum(amount for _, amount in amounts) or 1.0
    raw = [max(SLIVER, width * amount / total) if amount else 0.0 for _, amount in amounts]
    squeeze = width / sum(raw) if sum(raw) else 1.0
    parts, x = [], 0.0
    for (name, amount), wanted in zip(amounts, raw, strict=True):
        parts.append(Part(name, amount, x, wanted * squeeze))
        x += wanted * squeeze
    return tuple(parts)


@dataclass(frozen=True, slots=True)
class Odds:
    """How often the best possible attacker is right, out of 100, when a coin would be right 50 times."""

    right: int

    @property
    def extra(self) -> int:
        return self.right - 50


@dataclass(frozen=True, slots=True)
class Icon:
    cx: float
    cy: float
    kind: str


def odds(rho: float) -> Odds:
    """Chance of guessing one person's presence right, from an even prior, under ``rho``-zCDP of Gaussian noise.

    The Gaussian mechanism of privacy loss rho separates the two worlds by ``sqrt(2 rho)`` standard
    deviations; the best guess between them is right with probability Phi(sqrt(rho / 2)).
    """
    if not rho >= 0:
        raise ValueError("rho must not be negative")
    phi = 0.5 * (1 + math.erf(math.sqrt(rho / 2) / math.sqrt(2)))
    return Odds(right=round(100 * phi))


def icons(shown: Odds) -> tuple[Icon, ...]:
    """One hundred circles in ten rows: the coin's share, what the data adds, and the rest."""
    kinds = ["base"] * 50 + ["extra"] * shown.extra + ["rest"] * (100 - shown.right)
    return tuple(Icon(5 + 10 * (i % 10), 5 + 10 * (i // 10), kind) for i, kind in enumerate(kinds))
