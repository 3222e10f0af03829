"""OpenDP's own synthesizers (``opendp[mbi]``) on a coded table; run with the Python of their environment.

Imports nothing of the project. ``mst`` and ``aim`` (pairs) choose what to measure; ``star`` measures every column
with the target. All sample from the fitted model, which is more faithful than the default rounding.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import opendp.extras.mbi._mst as library_mst
import opendp.prelude as dp
import polars as pl

SHAVED = 1 - 1e-6
"""Of rho: at exactly its whole budget the library refuses its own parts, which round upwards."""
SLACK = 1 - 2.0**-40
"""The same for MST's parts: the library makes each one floating-point step smaller, which its rounding uses up."""


def main() -> None:
    asked = _arguments()
    dp.enable_features("contrib")
    library_mst.prior = below
    sizes = json.loads(Path(asked.domain).read_text())
    table = _release(asked, sizes)
    made = table.synthesize(method="sample").select(list(sizes))
    made.write_csv(asked.out)
    print(json.dumps({"library": f"opendp {dp.__version__}", "rows": len(made)}))


def below(x: float) -> float:
    """A little less than ``x``, in place of the library's next float below: it spends less, never more."""
    return x * SLACK


def _release(asked: argparse.Namespace, sizes: dict[str, int]) -> Any:
    """A contingency table over the declared codes; one row is one unit, added or removed."""
    rho = asked.rho * SHAVED
    data = pl.scan_csv(asked.train).select(pl.col(name).cast(pl.Int64) for name in sizes)
    context = dp.Context.compositor(
        data=data, privacy_unit=dp.unit_of(contributions=1), privacy_loss=dp.loss_of(rho=asked.rho)
    )
    keys = {name: list(range(size)) for name, size in sizes.items()}
    algorithm = _algorithm(asked.mechanism, list(sizes), asked.target)
    return context.query(rho=rho).select(*sizes).contingency_table(keys=keys, algorithm=algorithm).release()


def _algorithm(name: str, columns: list[str], target: str) -> Any:
    if name == "mst":
        return dp.mbi.MST()
    if name == "aim":
        return dp.mbi.AIM(queries=2)
    return dp.mbi.Fixed(queries=[dp.mbi.Count(by=(column, target)) for column in columns if column != target])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mechanism", choices=("mst", "aim", "star"), required=True)
    for name in ("--train", "--domain", "--target", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--rho", type=float, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
