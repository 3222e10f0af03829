"""Start every process of docker/compose.yaml on this machine, for a new site on PostgreSQL and Redis, until Ctrl-C."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from llmsynthor_site.demo.people import PEOPLE, People
from llmsynthor_site.demo.processes import PortTaken, Stopped, free_port
from llmsynthor_site.demo.site import again, begin_anew, chosen, prepare
from llmsynthor_site.demo.story import Story, Stuck
from llmsynthor_site.native import databases
from llmsynthor_site.native.keeping import Kept
from llmsynthor_site.roles import BY_NAME
from privacy.errors import PrivacyError

MARK = "LLMSYNTHOR_NATIVE_SITE"
SERVER = "postgres://postgres@127.0.0.1:5432/postgres"


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--server", default=SERVER, help="a PostgreSQL server; two databases are made and dropped")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--measure", type=int, default=1, help="workers that measure")
        parser.add_argument("--synthesise", type=int, default=2, help="workers that synthesise")
        parser.add_argument("--minutes", type=float, default=0, help="stop by itself after so many; 0 is at Ctrl-C")
        parser.add_argument("--once", action="store_true", help="bring one request from table to download, and stop")
        parser.add_argument("--data", help="your own table, CSV")
        parser.add_argument("--schema", help="its declared schema, JSON (docs/schema.md)")

    def handle(self, *args: Any, **options: Any) -> None:
        if MARK not in os.environ:
            begin_again(options["server"])
        try:
            with Kept() as processes:
                self.run(processes, options)
        except Stopped:
            self.say("\nstopped       every process of the site has ended")
        except (PrivacyError, Stuck, RuntimeError) as problem:
            raise CommandError(str(problem)) from None
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from None
        finally:
            connections.close_all()
            databases.drop(options["server"], *names(os.environ[MARK]))

    def run(self, processes: Kept, options: dict[str, Any]) -> None:
        self.say(f"new site      {settings.SITE_DIR}")
        self.broker(processes)
        people = prepare()
        witness = processes.witness(settings.SITE_DIR / "witness")
        os.environ |= {"WITNESSES": json.dumps(witness), "WITNESSES_REQUIRED": "1"}
        processes.door()
        processes.workers({name: options[name] for name in ("measure", "synthesise")})
        port = processes.web(options["port"])
        self.introduce(processes, people, port)
        if options["once"]:
            story = Story(people, self.say, processes.check)
            line = story.tell(story.register(**chosen(options["data"], options["schema"])))
            processes.stop()
            self.say(json.dumps(line))
            return
        self.wait(processes, options["minutes"])

    def broker(self, processes: Kept) -> None:
        """Start Redis where the settings of this process say; at another port they have to be read again."""
        port = int(os.environ["BROKER_URL"].rpartition(":")[2].partition("/")[0])
        try:
            processes.redis(port)
        except PortTaken:
            again(BROKER_URL=broker_at(port + 1))

    def introduce(self, processes: Kept, people: People, port: int) -> None:
        self.say(f"\nThe site is at http://localhost:{port} . Everyone's password here: {people.password}\n")
        for username, name, role in PEOPLE:
            self.say(f"  {username:<8} {name:<18} {BY_NAME[role].display_name}")
        self.say("\nprocesses     " + " ".join([*processes.members, "witness", "redis"]))
        self.say("Ctrl-C stops it and drops its databases.")

    def wait(self, processes: Kept, minutes: float) -> None:
        until = time.monotonic() + 60 * minutes if minutes else float("inf")
        while time.monotonic() < until:
            processes.check()
            time.sleep(0.5)

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def names(site: str) -> tuple[str, str]:
    return f"llmsynthor_{site}_state", f"llmsynthor_{site}_log"


def broker_at(wanted: int) -> str:
    """The address of a broker at that port, or the next free one."""
    return f"redis://127.0.0.1:{free_port(wanted)}/0"


def begin_again(server: str) -> None:
    """Make the databases, and begin again on them."""
    if shutil.which("redis-server") is None:
        raise CommandError("redis-server is not installed; `make demo` needs none.")
    site = secrets.token_hex(4)
    state, log = names(site)
    databases.make(server, state, log)
    begin_anew(
        settings.BASE_DIR / "var" / "native" / site, **{MARK: site},
        BROKER_URL=broker_at(6400 + secrets.randbelow(2000)),
        DATABASE_URL=databases.of(server, state), LOG_DATABASE_URL=databases.of(server, log),
    )  # fmt: skip
