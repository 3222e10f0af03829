"""Maps from a column's codes to bins: how finely the pool and each table see a column.

A map is an integer array over codes; bins are numbered from 0 without gaps. Maps are made from denoised
one-way tables, which are public once released.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from privacy.values import IntArray

FloatArray = NDArray[np.float64]


def cut(mass: FloatArray, level: int) -> IntArray:
    """Code -> bin: a code of at least 1/level of the mass stands alone, lighter runs are cut at about that mass.

    >>> cut(np.array([.5, .1, .1, .3]), 4).tolist()
    [0, 1, 1, 2]
    """
    if len(mass) <= 2:
        return np.arange(len(mass))
    share = float(mass.sum()) / level
    bins = np.zeros(len(mass), np.int64)
    current, gathered, open_run = -1, 0.0, False
    for code, weight in enumerate(mass.tolist()):
        heavy = weight >= share
        if heavy or not open_run or gathered >= share:
            current, gathered = current + 1, 0.0
        gathered, open_run = gathered + weight, not heavy
        bins[code] = current
    return bins


def join(first: IntArray, second: IntArray) -> IntArray:
    """The coarsest map finer than both: codes stay together only where both maps keep them together."""
    key = first * (int(second.max()) + 1) + second
    _, start, label = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(start))
    return np.asarray(order[label], np.int64)


def through(fine: IntArray, coarse: IntArray) -> IntArray:
    """Fine bin -> coarse bin. Raises ValueError where a fine bin lies in two coarse ones."""
    found = np.zeros(int(fine.max()) + 1, np.int64)
    found[fine] = coarse
    if not np.array_equal(found[fine], coarse):
        raise ValueError("the first map does not refine the second")
    return found


def refines(fine: IntArray, coarse: IntArray) -> bool:
    """Whether every fine bin lies in one coarse bin."""
    pairs = np.unique(fine * (int(coarse.max()) + 1) + coarse)
    return len(pairs) == int(fine.max()) + 1


def coarsen(fine: IntArray, mass: FloatArray, level: int) -> IntArray:
    """Code -> bin at ``level``, made of whole fine bins: a fine bin goes where its last code goes."""
    target = np.zeros(int(fine.max()) + 1, np.int64)
    np.maximum.at(target, fine, cut(mass, level))
    _, label = np.unique(target, return_inverse=True)
    return np.asarray(label[fine], np.int64)
