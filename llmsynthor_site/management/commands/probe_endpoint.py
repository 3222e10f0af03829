"""Find out what an endpoint does: does it answer, keep to a demanded form, take this field and that, read how much?

A few calls of fixed wording, with no data in them, through the door, which must be open (run_door). Exit code 1 where
the endpoint does not answer.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from synthesis import probe_words, probing
from synthesis.models import Endpoint


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what people choose the endpoint by")
        parser.add_argument("--json", action="store_true", help="print what was found as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        endpoint = Endpoint.objects.filter(name=options["name"]).first()
        if endpoint is None:
            raise CommandError("There is no endpoint of this name.")
        try:
            probe = probing.ask_for(endpoint, by="console", worker=False)
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from None
        probing.carry_out(str(probe.pk))
        probe.refresh_from_db()
        words = "\n".join(f"{name}: {told}" for name, told in probe_words.in_words(probe.found))
        self.stdout.write(json.dumps(probe.found) if options["json"] else words)
        if probe.problem or probe.finished_at is None:
            raise CommandError(probe.problem or "A worker is making this probe already.")
