"""Put a language model's endpoint on the list researchers may choose from. Its key goes into the providers' file."""

from __future__ import annotations

from argparse import ArgumentParser
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from synthesis import probing, services
from synthesis.models import Endpoint


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what people choose it by")
        parser.add_argument("base_url", help="root of an OpenAI-compatible API, for example http://localhost:8000/v1")
        parser.add_argument("model", help="the model's name there")
        parser.add_argument(
            "--local", action="store_true", help="runs inside the organisation: gate B needs one steward"
        )
        parser.add_argument("--prompt-price", type=Decimal, help="per million tokens told")
        parser.add_argument("--completion-price", type=Decimal, help="per million tokens answered")
        parser.add_argument("--money-cap", type=Decimal, help="the most one request may cost, in the prices' currency")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = services.add_endpoint(
                by="console",
                name=options["name"],
                base_url=options["base_url"],
                model=options["model"],
                is_local=options["local"],
                prompt_price=options["prompt_price"],
                completion_price=options["completion_price"],
                money_cap=options["money_cap"],
            )
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from None
        self.stdout.write(f"Added {made}. {self.probed(made)}")

    def probed(self, made: Endpoint) -> str:
        """Have it probed, if that may be paid for; what became of it, in words."""
        try:
            probing.ask_for(made, by="console")
        except ValidationError as problem:
            return f"It is not probed: {' '.join(problem.messages)}"
        return "A worker finds out what it does; probe_endpoint does so at once."
