"""A table of several columns as the pool sees it: which cell a record falls in, and how cells line up by column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from privacy.values import IntArray

FloatArray = NDArray[np.float64]


class Table:
    """Cells over ``columns`` (indices), each seen through a map pool bin -> table bin of ``maps``."""

    def __init__(self, columns: Sequence[int], maps: Sequence[IntArray], shape: Sequence[int]) -> None:
        self.columns, self.shape = tuple(columns), tuple(shape)
        self.maps = tuple(np.asarray(m, np.int32) for m in maps)
        self.averaged = np.zeros(self.shape)  # sum of expected tables while settling
        self._orders = tuple(np.argsort(m, kind="stable") for m in self.maps)
        self._starts = tuple(
            np.searchsorted(m[o], np.arange(k)) for m, o, k in zip(self.maps, self._orders, self.shape, strict=True)
        )

    @property
    def cells(self) -> int:
        return int(np.prod(self.shape))

    @property
    def sees_every_bin(self) -> bool:
        """Whether it tells all bins of its columns apart."""
        return all(len(view) == size for view, size in zip(self.maps, self.shape, strict=True))

    def key(self, codes: NDArray[np.int32], *, without: int | None = None) -> NDArray[np.int32]:
        """Flat cell of each record of ``codes`` (columns x records), or its cell of the other columns."""
        key = np.zeros(codes.shape[1], np.int32)
        for column, view, size in zip(self.columns, self.maps, self.shape, strict=True):
            if column != without:
                key *= size
                key += view.take(codes[column])
        return key

    def count(self, codes: NDArray[np.int32]) -> FloatArray:
        """The records' own table, as floats of the table's shape."""
        return np.bincount(self.key(codes), minlength=self.cells).astype(float).reshape(self.shape)

    def rows(self, column: int) -> int:
        """Cells of the other columns."""
        return self.cells // int(self.shape[self.columns.index(column)])

    def unfold(self, table: FloatArray, column: int) -> FloatArray:
        """Table -> (cells of the other columns) x (pool bins of ``column``)."""
        place = self.columns.index(column)
        flat = np.moveaxis(table, place, -1).reshape(-1, self.shape[place])
        return np.asarray(flat[:, self.maps[place]])

    def fold(self, rows: FloatArray, column: int) -> FloatArray:
        """The inverse of ``unfold`` for counts: pool bins that share a table bin are added up."""
        place = self.columns.index(column)
        folded = np.add.reduceat(rows[:, self._orders[place]], self._starts[place], axis=1)
        others = [size for at, size in enumerate(self.shape) if at != place]
        return np.moveaxis(folded.reshape([*others, self.shape[place]]), -1, place)
