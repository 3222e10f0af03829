"""Run the door: the only process that talks to language models. Stop it with SIGTERM."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from audit import log, prompts, restored
from synthesis.door import keep_connections, serve

SWEEP_SECONDS = 15


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        log.check_whole()  # a door beside a log that is not whole would only refuse: say so at once
        restored.check()
        keep_connections(seconds=600)
        door = serve(settings.DOOR_SOCKET)
        stopped = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stopped.set())
        threading.Thread(target=door.serve_forever, daemon=True).start()
        self.stdout.write(f"The door is open at {settings.DOOR_SOCKET}")
        while not stopped.wait(SWEEP_SECONDS):
            prompts.sweep()
        door.shutdown()
        settings.DOOR_SOCKET.unlink(missing_ok=True)
