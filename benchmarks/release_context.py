"""The same tables of pairs through OpenDP's own Context over Polars: what the product is compared with.

The package ``polars`` is not among the product's: this file alone uses it.
"""

from __future__ import annotations

import time
from itertools import combinations
from pathlib import Path
from typing import Any

from privacy.values import Domain

RHO = 0.5
MISSING = "the comparison needs the package 'polars' in the version that OpenDP names: pip install 'opendp[polars]'"


def available() -> dict[str, Any]:
    """SystemExit with what to install where something is missing."""
    try:
        import polars
    except ImportError:
        raise SystemExit(MISSING) from None
    return {"polars": polars.__version__}


def release(path: Path, domain: Domain) -> dict[str, Any]:
    """Every pair by one query over its public keys, all with the same share of rho."""
    import opendp.prelude as dp
    import polars as pl

    dp.enable_features("contrib")
    pairs, began = list(combinations(domain.columns, 2)), time.monotonic()
    context = dp.Context.compositor(
        data=pl.scan_parquet(path).with_columns(pl.col(name).cast(pl.Int64) for name in domain.columns),
        privacy_unit=dp.unit_of(contributions=1),
        privacy_loss=dp.loss_of(rho=RHO),
        split_evenly_over=len(pairs),
    )
    for pair in pairs:
        table = (
            context.query()
            .group_by(*pair)
            .agg(dp.len(signed=True))
            .with_keys(_keys(pl, domain, pair))
            .release()
            .collect()
        )
        if len(table) != domain.size(pair[0]) * domain.size(pair[1]):
            raise SystemExit("the Context did not release every cell")
    return {"seconds": round(time.monotonic() - began, 3), "tables": len(pairs)}


def _keys(pl: Any, domain: Domain, pair: tuple[str, str]) -> Any:
    first, second = (pl.LazyFrame({name: range(domain.size(name))}, schema={name: pl.Int64}) for name in pair)
    return first.join(second, how="cross")
