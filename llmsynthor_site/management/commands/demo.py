"""Run the main job on a real table in a new site, then serve the site until Ctrl-C."""

from __future__ import annotations

import json
import os
import secrets
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from llmsynthor_site.demo.people import PEOPLE, People
from llmsynthor_site.demo.processes import Processes, Stopped
from llmsynthor_site.demo.site import begin_anew, check_chosen, chosen, prepare
from llmsynthor_site.demo.story import Story, Stuck
from llmsynthor_site.roles import BY_NAME
from privacy.errors import PrivacyError

MARK = "LLMSYNTHOR_DEMO_SITE"


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="stop after the download and print one JSON line")
        parser.add_argument("--data", type=Path, help="your own table, CSV")
        parser.add_argument("--schema", type=Path, help="its declared schema, JSON (docs/schema.md)")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if MARK not in os.environ:
                check_chosen(options["data"], options["schema"])
                begin_again_in_a_new_site()
            with Processes() as processes:
                self.run(processes, options)
        except Stopped:
            self.say("\nstopped       every process of the site has ended")
        except (PrivacyError, Stuck, RuntimeError) as problem:
            raise CommandError(str(problem)) from None
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from None

    def run(self, processes: Processes, options: dict[str, Any]) -> None:
        self.say(f"new site      {settings.SITE_DIR}")
        people = prepare()
        story = Story(people, self.say, processes.check)
        dataset = story.register(**chosen(options["data"], options["schema"]))
        processes.door()
        processes.worker()
        line = story.tell(dataset)
        if options["once"]:
            processes.stop()
            self.say(json.dumps(line))
            return
        self.say(json.dumps(line, indent=2))
        self.serve(processes, people, options["port"])

    def serve(self, processes: Processes, people: People, wanted: int) -> None:
        port = processes.web(wanted)
        self.say(f"\nThe site is at http://localhost:{port} . Everyone's password here: {people.password}\n")
        for username, name, role in PEOPLE:
            self.say(f"  {username:<8} {name:<18} {BY_NAME[role].display_name}")
        self.say("\nCtrl-C stops it. Nothing here protects real data: all keys and the log lie in one folder.")
        while True:
            processes.check()
            time.sleep(1)

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def begin_again_in_a_new_site() -> None:
    name = time.strftime("%Y%m%d-%H%M%S") + "-" + secrets.token_hex(2)
    begin_anew(settings.BASE_DIR / "var" / "demo" / name, **{MARK: "1"})
