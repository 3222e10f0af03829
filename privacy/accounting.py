"""Privacy loss as decimals: rho of zero-concentrated differential privacy, and epsilon at a delta.

Pure arithmetic, so that every room may show a price. Before anything is charged, the measuring worker
asks OpenDP for the same conversion. Rounding is always against the spender: prices go up, budgets down.

The conversion is Proposition 12 of Canonne, Kamath and Steinke, "The discrete Gaussian for differential
privacy" (2020): rho-zCDP implies (epsilon, delta) for every alpha > 1 with
``epsilon = alpha rho + (-ln delta - ln(alpha - 1) + alpha ln(1 - 1 / alpha)) / (alpha - 1)``.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

RHO_STEP = Decimal("1e-12")
EPSILON_STEP = Decimal("1e-6")
SLACK = 1e-12
"""Relative allowance for floating-point error; every conversion leans to the safe side by this much."""


def rho_up(rho: float | Decimal) -> Decimal:
    """A price, rounded up to the ledger's step."""
    return Decimal(rho).quantize(RHO_STEP, rounding=ROUND_CEILING)


def rho_down(rho: float | Decimal) -> Decimal:
    """A budget or a share of one, rounded down to the ledger's step."""
    return Decimal(rho).quantize(RHO_STEP, rounding=ROUND_FLOOR)


def epsilon_for(*, rho: Decimal, delta: Decimal) -> Decimal:
    """The epsilon that ``rho`` amounts to at ``delta``, rounded up to six decimals."""
    _check_delta(delta)
    if not rho.is_finite() or rho < 0:
        raise ValueError("rho must not be negative")
    return Decimal(_epsilon(float(rho), float(delta))).quantize(EPSILON_STEP, rounding=ROUND_CEILING)


def rho_for(*, epsilon: Decimal, delta: Decimal) -> Decimal:
    """The largest rho whose epsilon at ``delta`` is at most ``epsilon``, rounded down."""
    _check_delta(delta)
    if not epsilon.is_finite() or epsilon <= 0:
        raise ValueError("epsilon must be a finite number above 0")
    low, high = 0.0, float(epsilon)
    while _epsilon(high, float(delta)) <= float(epsilon):
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _epsilon(middle, float(delta)) <= float(epsilon) else (low, middle)
    return rho_down(low * (1 - SLACK))


def _check_delta(delta: Decimal) -> None:
    if not delta.is_finite() or not 0 < delta < 1:
        raise ValueError("delta must be above 0 and below 1")


def _epsilon(rho: float, delta: float) -> float:
    """The least epsilon over alpha; any alpha is valid, so an inexact minimum only costs a little."""
    if rho == 0:
        return 0.0
    low, high = math.log(1e-6), math.log(1e12)
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(120):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if _epsilon_at(rho, delta, math.exp(left)) < _epsilon_at(rho, delta, math.exp(right)):
            high = right
        else:
            low = left
    return max(0.0, _epsilon_at(rho, delta, math.exp((low + high) / 2)) * (1 + SLACK))


def _epsilon_at(rho: float, delta: float, above_one: float) -> float:
    """Epsilon at one alpha, given as ``alpha - 1`` so that values near 1 keep their precision."""
    alpha = 1 + above_one
    bracket = -math.log(delta) - math.log(above_one) - alpha * math.log1p(1 / above_one)
    return alpha * rho + bracket / above_one
