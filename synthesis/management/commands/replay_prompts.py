"""Work out every prompt and the table of a request again, and compare them with what was recorded.

The log itself is not checked here: audit.verify, on an export, does that.
Exit code 0: everything that can be replayed is equal; 1: something differs; 2: the replay could not be made, or the
environment is another one than the run's (``--anyway`` replays in spite of that).
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand

from synthesis import replaying
from synthesis.models import SynthesisRequest

EQUAL, DIFFERS, CANNOT = 0, 1, 2
PARTLY = "equal as far as it goes"
NOT_CHECKED = (
    "Not checked here: the log itself. Whether it is whole, in order and signed, and whether its charges, votes and "
    "downloads keep the rules, says audit.verify on an export of it."
)


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("request", help="the request's id")
        parser.add_argument("--anyway", action="store_true", help="run the loop even in another environment")
        parser.add_argument(
            "--out", type=Path, help="a folder for the table as it was rebuilt, from the answers on record"
        )
        parser.add_argument("--json", action="store_true", help="print the report as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = replaying.replay(wanted(options["request"]), anyway=options["anyway"], out=options["out"])
        except replaying.CannotReplay as problem:
            told = json.dumps({"verdict": "cannot", "reason": str(problem)})
            self.stdout.write(told if options["json"] else f"CANNOT: {problem}")
            sys.exit(CANNOT)
        code = DIFFERS if found.differences else EQUAL if found.made else CANNOT
        verdict = ("equal" if found.whole else PARTLY, "differs", "cannot")[code]
        self.stdout.write(as_json(found, verdict) if options["json"] else as_text(found, verdict))
        sys.exit(code)


def wanted(request: str) -> SynthesisRequest:
    try:
        return SynthesisRequest.objects.get(pk=request)
    except (SynthesisRequest.DoesNotExist, ValidationError):
        raise replaying.CannotReplay("there is no such request") from None


def as_json(found: replaying.Replay, verdict: str) -> str:
    told = asdict(found) | {"verdict": verdict, "counts": dict(found.counts), "loop_run_again": found.made}
    return json.dumps(told | {"log_checked": False})


def as_text(found: replaying.Replay, verdict: str) -> str:
    lines = [f"{headline(found, verdict)}: run {found.run}", ""]
    lines += [f"  {number:>8}  {name}" for name, number in sorted(found.counts.items())]
    for title, told in (
        ("The environment is not the run's", found.environment),
        ("Differences", [one.in_words() for one in found.differences]),
        ("Erased", found.erased),
        ("Notes", found.notes),
    ):
        lines += ["", f"{title}:", *(f"  {one}" for one in told)] if told else []
    if not found.made:
        lines += ["", "The loop was not run again, so no SYNTHETIC value and no table was worked out (--anyway does)."]
    return "\n".join([*lines, "", NOT_CHECKED])


def headline(found: replaying.Replay, verdict: str) -> str:
    """The verdict in capitals; one that leaves something out says how much of the run it is about."""
    if verdict != PARTLY:
        return verdict.upper()
    again, ran = (found.counts[name] for name in (replaying.WORKED_OUT, replaying.RUN))
    erased = f", {len(found.erased)} erased and not replayable" if found.erased else ""
    return f"EQUAL as far as it goes ({again} of {ran} iterations worked out again{erased})"
