"""Say how accurate a release would be, before anyone spends: the plan is tried on rows invented from a declaration.

Nothing is charged and no data is read. Sigma and the margins are those of a real run; which tables are chosen
and how well they are fitted depends on the data, and is an example here.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from privacy import planning
from privacy.accounting import rho_down, rho_for
from privacy.problems import SchemaError
from privacy.purposes import Purpose
from privacy.schema import Schema
from synthesis.loop import Loop, LoopSettings


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("declaration", type=Path)
        price = parser.add_mutually_exclusive_group(required=True)
        price.add_argument("--epsilon", help="at the declaration's own delta")
        price.add_argument("--rho")
        parser.add_argument("--rows", type=int, default=10_000, help="how many rows you think there are")
        parser.add_argument("--target", action="append", default=[], help="a column of interest; may be given again")
        parser.add_argument("--weight", action="append", default=[], metavar="COLUMN=WHOLE", help="0 to 100")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rows"] < 1 or options["seed"] < 0:
            raise CommandError("rows are at least 1, and a seed is not negative")
        try:
            schema = Schema.parse(options["declaration"].read_bytes())
            forecast = self._forecast(schema, options)
        except OSError:
            raise CommandError("the declaration cannot be read") from None
        except SchemaError as refused:
            raise CommandError("\n".join(map(str, refused.problems))) from None
        except ValueError as problem:
            raise CommandError(str(problem)) from None
        if options["json"]:
            self.stdout.write(json.dumps(forecast.to_json()))
        else:
            self._show(forecast)

    def _forecast(self, schema: Schema, options: dict[str, Any]) -> planning.Forecast:
        loop = Loop(schema.domain, settings=LoopSettings(), seed=options["seed"], rules=schema.rules)
        return planning.simulate(
            schema,
            rho=_rho(schema, options),
            rows=options["rows"],
            purpose=_purpose(options),
            model=loop,
            seed=options["seed"],
        )

    def _show(self, forecast: planning.Forecast) -> None:
        self.stdout.write(f"{'cells':>7} {'sigma':>9} {'± 19 in 20':>11} {'noise TVD':>10} {'fitted TVD':>11}  table")
        for one in forecast.tables:
            fitted = "-" if one.fitted_tvd is None else f"{one.fitted_tvd:.4f}"
            figures = f"{one.cells:7} {one.sigma:9.2f} {one.margin:11.1f} {one.noise_tvd:10.4f} {fitted:>11}"
            self.stdout.write(f"{figures}  {' x '.join(one.columns)}")
        self.stdout.write(f"{len(forecast.tables)} tables, {forecast.spent.normalize()} of rho; nothing was charged")


def _rho(schema: Schema, options: dict[str, Any]) -> Decimal:
    """The price asked for; ValueError where it is no number above 0, or beyond the declared cap."""
    try:
        amount = Decimal(options["rho"] or options["epsilon"])
    except InvalidOperation:
        raise ValueError("epsilon or rho must be a number") from None
    if not amount.is_finite() or not 0 < amount <= 900:
        raise ValueError("epsilon or rho must be above 0 and at most 900")
    left = schema.delta - sum(search.delta for search in schema.searches)
    if left <= 0:
        raise ValueError("the declared delta is no more than what finding unknown categories spends")
    rho = rho_down(amount) if options["rho"] else rho_for(epsilon=amount, delta=left)
    if not 0 < rho <= schema.cap_rho:
        raise ValueError("the price is nothing, or more than the declared cap")
    return rho


def _purpose(options: dict[str, Any]) -> Purpose | None:
    if not options["target"]:
        if options["weight"]:
            raise ValueError("weights are declared beside a target")
        return None
    weights = [each.rpartition("=") for each in options["weight"]]
    if not all(column and weight.isdecimal() and len(weight) <= 3 for column, _, weight in weights):
        raise ValueError("a weight is written COLUMN=WHOLE, for example age=3")
    return Purpose(tuple(options["target"]), tuple((column, int(weight)) for column, _, weight in weights))
