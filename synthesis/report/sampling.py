"""How far a synthetic table is off by its own number of rows, beside the noise of the statistics. Pure.

A table of few rows cannot follow precise statistics, however it is made: rows drawn one by one miss even the shares
they are drawn from. Refined tables miss them by less; so this is what may be put down to chance, not what must be.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthesis.report.purpose import NOISE, standing

FloatArray = NDArray[np.float64]


def variance(expected: FloatArray, *, total: float, rows: int) -> FloatArray:
    """Of each count in ``expected`` (synthetic, scaled to ``total``), had ``rows`` rows been drawn one by one."""
    found: FloatArray = np.maximum(expected * (total - expected), 0) / rows
    return found


def told(residual: float, sigma: float, variances: FloatArray) -> dict[str, Any]:
    """One table's distance from its statistics (root mean square over the cells, as ``sigma``) beside both its causes.

    ``sampling``: a standard deviation, as ``sigma``; ``sampling_share``: of the variance that both explain together;
    ``band_over_sigma``: as far as both may take ``residual_over_sigma``.
    """
    own = float(np.sqrt(np.mean(variances)))
    both = float(np.hypot(sigma, own))
    figures = {"residual_over_sigma": round(residual / sigma, 3), "band_over_sigma": round(NOISE * both / sigma, 3)}
    return {
        "sigma": round(sigma, 3), "sampling": round(own, 3), "sampling_share": round((own / both) ** 2, 4), **figures,
        "standing": standing(figures),
    }  # fmt: skip
