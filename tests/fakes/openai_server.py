"""A stand-in for an OpenAI-compatible endpoint, over real HTTP.

    python -m tests.fakes.openai_server [--behaviour NAME] [--port 8900] [--public P.csv] [--context TOKENS]

`with OpenAIServer(behaviour) as server:` serves at `server.base_url`, keeps every body it received, and
answers as the behaviour says; a request the behaviour cannot read gets status 400, as an endpoint's would. What it
sends is checked against the openai package's own types in tests/unit/test_fake_endpoint.py.
"""

from __future__ import annotations

import argparse
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.fakes.behaviours import BEHAVIOURS, first_cells, informed
from tests.fakes.faults import broken, rate_limited
from tests.fakes.plain import prose
from tests.fakes.protocol import Behaviour, Reply, completion, error, guidance_of, models

__all__ = [
    "Behaviour", "OpenAIServer", "broken", "completion", "first_cells", "guidance_of", "prose", "rate_limited",
]  # fmt: skip


class OpenAIServer:
    """``models``: the body of GET /models, or None where it is not served. ``gets`` counts those calls."""

    def __init__(
        self,
        behaviour: Behaviour = first_cells,
        on_arrival: Callable[[bytes], None] | None = None,
        *,
        port: int = 0,
        models: bytes | None = models("stand-in"),
    ) -> None:
        self.behaviour, self.on_arrival, self.models = behaviour, on_arrival, models
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.redirect = ""
        self.gets = 0
        self.http = ThreadingHTTPServer(("127.0.0.1", port), self.handler())
        self.http.daemon_threads = True
        self.http.block_on_close = False  # a slow answer nobody waits for any more does not hold up a test's end
        self.base_url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def answer(self, path: str, body: bytes) -> Reply:
        if path != "/v1/chat/completions":
            return Reply(404, error("Unknown request URL", kind="invalid_request_error", code="unknown_url"))
        try:
            made = self.behaviour(body)
        except (ValueError, LookupError, TypeError):
            return Reply(400, error("The request cannot be read", kind="invalid_request_error"))
        return made if isinstance(made, Reply) else Reply(*made)

    def listed(self, path: str) -> Reply:
        self.gets += 1
        if path != "/v1/models" or self.models is None:
            return Reply(404, error("Unknown request URL", kind="invalid_request_error", code="unknown_url"))
        return Reply(200, self.models)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.bodies.append(body)
                server.headers.append({name.lower(): value for name, value in self.headers.items()})
                if server.on_arrival:
                    server.on_arrival(body)
                moved = Reply(307, b"{}", {"Location": server.redirect}) if server.redirect else None
                put(self, moved or server.answer(self.path, body))

            def do_GET(self) -> None:
                put(self, server.listed(self.path))

            def log_message(self, *args: Any) -> None:
                """Say nothing on the terminal of the tests."""

        return Handler

    def __enter__(self) -> OpenAIServer:
        threading.Thread(target=partial(self.http.serve_forever, poll_interval=0.02), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()


def put(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    """Write the reply to the wire, with its faults; a caller who hangs up is no error here."""
    time.sleep(reply.wait)
    handler.close_connection = True
    if reply.status == 0:
        return
    with contextlib.suppress(OSError):
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        if reply.chunks is None:
            handler.send_header("Content-Length", str(len(reply.body) if reply.declared is None else reply.declared))
        handler.end_headers()
        for part in reply.chunks() if reply.chunks else parts(reply):
            handler.wfile.write(part)


def parts(reply: Reply) -> Any:
    if not reply.drip:
        yield reply.body
        return
    for place in range(len(reply.body)):
        yield reply.body[place : place + 1]
        time.sleep(reply.drip)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C, and say for each request how long it was."""
    asked = _arguments(arguments)
    behaviour = informed(_codes(asked.public)) if asked.behaviour == "informed" else BEHAVIOURS[asked.behaviour]
    facts = {"max_model_len": asked.context} if asked.context else {}

    def told(body: bytes) -> None:
        print(f"{len(body):,} bytes received", flush=True)

    with OpenAIServer(behaviour, told, port=asked.port, models=models("stand-in", **facts)) as server:
        print(f"{asked.behaviour} at {server.base_url}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


def _codes(path: Path) -> Any:
    """The public table: a CSV of codes 0, 1, ... whose columns stand in the order of the declaration."""
    import pandas as pd

    return pd.read_csv(path).to_numpy(dtype=int)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--behaviour", choices=sorted([*BEHAVIOURS, "informed"]), default="obliging")
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--public", type=Path, help="for informed: a CSV of codes in the declaration's order")
    parser.add_argument("--context", type=int, help="tell this context length in the list of models, as vLLM does")
    asked = parser.parse_args(arguments)
    if (asked.behaviour == "informed") != (asked.public is not None):
        parser.error("--behaviour informed and --public belong together")
    return asked


if __name__ == "__main__":
    main()
