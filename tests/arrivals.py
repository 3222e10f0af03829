"""The arrival oracle: a stand-in model that asks the log, as each prompt arrives, whether it is there."""

from __future__ import annotations

import json
import logging
import os
import signal
from pathlib import Path


def folder() -> Path:
    from django.conf import settings

    return Path(settings.SITE_DIR)


def stand_in() -> None:
    """Serve, and for every prompt that arrives note whether the log, asked at that moment, holds it."""
    from tests.fakes.openai_server import OpenAIServer, completion

    logging.disable(logging.CRITICAL)
    reply = completion(json.dumps({"proposals": []}))
    with OpenAIServer(lambda body: (200, reply), on_arrival=arrival) as server:
        setattr(server.http, "handle_error", lambda *_: None)  # noqa: B010 - whoever asked was killed
        written = folder() / "stand-in.new"
        written.write_text(server.base_url)
        written.rename(folder() / "stand-in")  # whoever waits for it must not find it empty
        signal.pause()


def arrival(body: bytes) -> None:
    from django.db import DatabaseError, connections

    from audit.errors import AuditError

    try:
        intent = intent_in_log(body)
    except (AuditError, DatabaseError):
        intent = ""  # a log that cannot be asked does not hold it
    finally:
        connections.close_all()
    with (folder() / "arrivals").open("a") as file:
        file.write(json.dumps({"intent": intent}) + "\n")
    victim = folder() / "victim"
    if victim.exists():
        os.kill(int(victim.read_text()), signal.SIGKILL)
        victim.unlink()


def intent_in_log(body: bytes) -> str:
    """The intent under which exactly these bytes are on their way, by the log alone, or an empty string."""
    from audit import bodies, log
    from audit.leaves import Leaf
    from audit.models import LogEntry

    for entry in LogEntry.objects.filter(action="audit:prompt:intent").order_by("-index")[:10]:
        facts = Leaf.from_bytes(bytes(entry.leaf)).facts
        same = bodies.opened(facts["prompt"]["id"], expected=facts["prompt"]["hash"]) == body
        if same and log.find(f"{facts['intent']}:sending") and not log.find(f"{facts['intent']}:closed"):
            return str(facts["intent"])
    return ""


def arrivals() -> list[str]:
    path = folder() / "arrivals"
    return [json.loads(line)["intent"] for line in path.read_text().splitlines()] if path.exists() else []
