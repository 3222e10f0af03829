"""Print rows invented from a declaration alone, as CSV: to try an upload or an analysis with. They are nobody's."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from privacy import mock
from privacy.problems import SchemaError
from privacy.schema import Schema


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("declaration", type=Path)
        parser.add_argument("--rows", type=int, default=20)
        parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same rows")
        parser.add_argument("--out", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rows"] < 1 or options["seed"] < 0:
            raise CommandError("rows are at least 1, and a seed is not negative")
        try:
            schema = Schema.parse(options["declaration"].read_bytes())
            rows = mock.table(schema, rows=options["rows"], seed=options["seed"])
        except OSError:
            raise CommandError("the declaration cannot be read") from None
        except SchemaError as refused:
            raise CommandError("\n".join(map(str, refused.problems))) from None
        except ValueError as problem:
            raise CommandError(str(problem)) from None
        text = rows.to_csv(index=False, sep=schema.delimiter, lineterminator="\n")
        if options["out"]:
            options["out"].write_text(text, encoding="utf-8")
        else:
            self.stdout.write(text, ending="")
