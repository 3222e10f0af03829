"""From bins back to codes."""

from __future__ import annotations

import numpy as np

from synthesis.loop.spreading import spread


def test_codes_stay_in_their_bin_and_follow_the_one_way_table() -> None:
    rng = np.random.default_rng(0)
    bins = [np.array([0, 0, 1, 1, 1, 2]), np.array([1, 0, 1])]
    masses = [np.array([0.3, 0.1, 0.2, 0.2, 0.1, 0.1]), np.array([0.25, 0.5, 0.25])]
    binned = np.stack([rng.integers(0, 3, 3000), rng.integers(0, 2, 3000)]).astype(np.int32)
    codes = spread(binned, masses, bins, rng)
    assert codes.shape == (3000, 2)
    for column, (view, mass) in enumerate(zip(bins, masses, strict=True)):
        assert np.array_equal(view[codes[:, column]], binned[column])
        for found in range(view.max() + 1):
            inside = np.flatnonzero(view == found)
            records = codes[binned[column] == found, column]
            shares = np.array([(records == code).mean() for code in inside])
            assert np.abs(shares - mass[inside] / mass[inside].sum()).max() < 0.01  # balanced, not drawn
