"""The only file that imports OpenDP: all noise, all selection, and the prices OpenDP itself states.

Used of OpenDP 0.16.0, with the feature ``contrib`` (which every constructor needs) and no other:

- ``make_gaussian`` over a vector of i64 with an L2 bound: the exact discrete Gaussian, integers out;
- ``make_noisy_max`` over a vector of i64 scores with an L-infinity bound, under zero-concentrated
  divergence, for scores that are not monotonic: it charges ``(2 sensitivity / scale)^2 / 8``;
- ``make_gaussian_threshold`` over a map of texts to i64 counts: the discrete Gaussian on every count, and only keys
  whose noised count reaches a threshold come out. Its map understates delta: it leaves out the noise that lands on
  the threshold itself. So the threshold is chosen by the map, and then **raised by 1**, for the price of the lower
  one: the discrete tail from m on is at most the continuous one from m - 1 on (Canonne, Kamath and Steinke 2020,
  proposition 25), and that is what the map states;
- ``make_zCDP_to_approxDP``: epsilon at a delta.

OpenDP vets noise, privacy map, composition and conversion. The sensitivity handed in here is ours
(``privacy.dp.sensitivity``), as is the exact counting.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, Decimal

os.environ["RUST_BACKTRACE"] = "0"  # before the import: OpenDP would otherwise trace every failed step

import numpy as np
import opendp.prelude as dp

from privacy.accounting import rho_down, rho_up
from privacy.dp.sensitivity import KeyChange
from privacy.values import IntArray

dp.enable_features("contrib")

LIBRARY = f"opendp {dp.__version__}"
LARGEST = 2**53
"""Counts and scores beyond this are refused: nothing near it is a count of people."""
DELTA_STEP = Decimal("1e-15")
_Stated = tuple[float, float]
"""What a map with a delta states: rho and delta."""
MARGIN = 1
"""What the threshold for keys is raised by, above the one that OpenDP's map was asked about."""


class Mechanism:
    """One priced draw. ``rho`` is what OpenDP's privacy map says at ``sensitivity``, rounded up.

    It can be used once: a second draw would need a second charge.
    """

    def __init__(
        self, name: str, measurement: dp.Measurement, *, sensitivity: float, scale: float, rho: float | None = None
    ) -> None:
        self.name = name
        self.sensitivity = sensitivity
        self.scale = scale
        self.rho = rho_up(_map(measurement, sensitivity) if rho is None else rho)
        self._measurement: dp.Measurement | None = measurement

    def _draw(self, vector: IntArray) -> object:
        return self._once(lambda: _checked(vector))

    def _once(self, checked: Callable[[], object]) -> object:
        """One draw on what was checked; what is refused is not spent."""
        if self._measurement is None:
            raise RuntimeError("this mechanism has already been used; a new draw needs a new charge")
        values = checked()
        measurement, self._measurement = self._measurement, None
        return measurement(values)


class GaussianVector(Mechanism):
    """Adds independent integer Gaussian noise of standard deviation ``scale`` to every count."""

    def release(self, counts: IntArray) -> IntArray:
        return np.asarray(self._draw(counts), dtype=np.int64)


class NoisyMax(Mechanism):
    """Names the place of a highest score, after noise of parameter ``scale``."""

    def choose(self, scores: IntArray) -> int:
        return int(str(self._draw(scores)))


class KeyThreshold(Mechanism):
    """Lets out the keys whose count, with Gaussian noise of standard deviation ``scale``, reaches ``threshold``.

    ``rho`` and ``delta`` are what OpenDP's map states at a threshold lower by MARGIN.
    """

    def __init__(
        self, measurement: dp.Measurement, *, change: KeyChange, scale: float, threshold: int, stated: _Stated
    ) -> None:
        super().__init__("gaussian threshold", measurement, sensitivity=change.l2, scale=scale, rho=stated[0])
        self.threshold = threshold
        self.delta = _delta_up(stated[1])

    def release(self, counts: Mapping[str, int]) -> dict[str, int]:
        """The keys let out and their noised counts, in the order of the keys; ``counts`` are of rows, at least 1."""
        found = self._once(lambda: _checked_keys(counts))
        return dict(sorted((str(key), int(count)) for key, count in dict(found).items()))  # type: ignore[call-overload]


def key_threshold(*, change: KeyChange, rho: Decimal, delta: Decimal) -> KeyThreshold:
    """The lowest threshold, under the least noise, whose map at ``change`` is at most ``rho`` and ``delta``."""
    space = (
        dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T="i64")),
        dp.l02inf_distance(dp.absolute_distance(T=float)),
    )

    def stated(scale: float, threshold: int) -> _Stated:
        measurement = dp.m.make_gaussian_threshold(*space, scale=scale, threshold=threshold)
        distance = (change.l0, change.l2, float(change.linf))
        found: _Stated = measurement.map(distance)  # type: ignore[no-untyped-call]
        return found

    budget, scale = _budget(rho), gaussian(sensitivity=change.l2, rho=rho).scale
    while stated(scale, LARGEST)[0] > budget:
        scale *= 1 + 2.0**-50
    threshold = _lowest(lambda each: _delta_up(stated(scale, each)[1]) <= delta, above=change.linf)
    raised = dp.m.make_gaussian_threshold(*space, scale=scale, threshold=threshold + MARGIN)
    price = stated(scale, threshold)
    return KeyThreshold(raised, change=change, scale=scale, threshold=threshold + MARGIN, stated=price)


def _lowest(holds: Callable[[int], bool], *, above: int) -> int:
    """The lowest whole number beyond ``above`` that holds, where all beyond it do; ValueError when none does."""
    low, high = above, above + 1
    while not holds(high):
        if high > LARGEST:
            raise ValueError("no threshold keeps this delta")
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def gaussian(*, sensitivity: float, rho: Decimal) -> GaussianVector:
    """The least noisy integer Gaussian whose map at ``sensitivity`` (L2) is at most ``rho``."""
    space = (dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float))

    def make(scale: float) -> dp.Measurement:
        return dp.m.make_gaussian(*space, scale=scale)

    guess = sensitivity / math.sqrt(2 * _budget(rho))
    scale = _solve(make, sensitivity=sensitivity, rho=rho, guess=guess)
    return GaussianVector("discrete gaussian", make(scale), sensitivity=sensitivity, scale=scale)


def noisy_max(*, sensitivity: int, rho: Decimal) -> NoisyMax:
    """The sharpest noisy max whose map at ``sensitivity`` (L-infinity) is at most ``rho``."""
    space = (dp.vector_domain(dp.atom_domain(T="i64")), dp.linf_distance(T="i64", monotonic=False))

    def make(scale: float) -> dp.Measurement:
        return dp.m.make_noisy_max(*space, dp.zero_concentrated_divergence(), scale=scale)

    guess = 2 * sensitivity / math.sqrt(8 * _budget(rho))
    scale = _solve(make, sensitivity=sensitivity, rho=rho, guess=guess)
    return NoisyMax("noisy max", make(scale), sensitivity=sensitivity, scale=scale)


def epsilon(*, rho: Decimal, delta: Decimal) -> float:
    """Epsilon at ``delta`` of a ledger's total ``rho``, by OpenDP's own conversion."""
    space = (dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float))
    total = dp.m.make_gaussian(*space, scale=math.nextafter(1 / math.sqrt(2 * float(rho)), 0))
    profile = dp.c.make_zCDP_to_approxDP(total).map(1.0)  # type: ignore[no-untyped-call]
    return float(profile.epsilon(float(delta)))


def _budget(rho: Decimal) -> float:
    """A float that does not exceed ``rho``."""
    if not rho.is_finite() or rho_down(rho) <= 0:
        raise ValueError("rho of a mechanism must be a finite number above 0")
    value = float(rho_down(rho))
    return value if Decimal(value) <= rho else math.nextafter(value, 0)


def _solve(make: Callable[[float], dp.Measurement], *, sensitivity: float, rho: Decimal, guess: float) -> float:
    """The guess, or the next scales above it, until OpenDP's map stays within ``rho``."""
    if not sensitivity > 0:
        raise ValueError("sensitivity must be above 0")
    budget, scale, step = _budget(rho), guess, 2.0**-52
    while _map(make(scale), sensitivity) > budget:
        scale, step = scale * (1 + step), 2 * step
    return scale


def _map(measurement: dp.Measurement, sensitivity: float) -> float:
    return float(measurement.map(sensitivity))  # type: ignore[no-untyped-call]


def _delta_up(delta: float) -> Decimal:
    return Decimal(delta).quantize(DELTA_STEP, rounding=ROUND_CEILING)


def _checked_keys(counts: Mapping[str, int]) -> dict[str, int]:
    """Texts and how many rows hold each, or an error that says nothing about them."""
    if not all(type(key) is str and key.isprintable() and type(count) is int for key, count in counts.items()):
        raise TypeError("keys are printable texts, and their counts whole numbers")
    if not all(1 <= count <= LARGEST for count in counts.values()):
        raise OverflowError("a key's count must be at least 1, and not too large to be released")
    return dict(counts)


def _checked(vector: IntArray) -> list[int]:
    """Whole numbers in a flat vector, or an error that says nothing about them."""
    if vector.ndim != 1 or vector.dtype.kind not in "iu":
        raise TypeError("a mechanism takes a flat vector of whole numbers")
    if vector.size and int(np.abs(vector).max()) > LARGEST:
        raise OverflowError("a count or score is too large to be released")
    values: list[int] = vector.astype(np.int64).tolist()
    return values
