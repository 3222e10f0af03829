"""A stand-in for an OpenAI-compatible endpoint, over real HTTP on the loopback.

`with OpenAIServer(behaviour) as server:` serves at `server.base_url`, keeps every body it received, and
answers as the behaviour says. The answer's shape is checked against the openai package's own types in
tests/unit/test_openai_provider.py.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[bytes], tuple[int, bytes]]


def completion(content: str, *, model: str = "stand-in", finish_reason: str = "stop") -> bytes:
    """The bytes of a chat completion with this content."""
    message = {"role": "assistant", "content": content, "refusal": None}
    reply: dict[str, Any] = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": int(time.time()), "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }  # fmt: skip
    return json.dumps(reply).encode()


def guidance_of(body: bytes) -> dict[str, Any]:
    """The guidance JSON inside the last user message."""
    return dict(json.loads(json.loads(body)["messages"][-1]["content"]))


def first_cells(body: bytes) -> tuple[int, bytes]:
    """A useful answer: one proposal for each under-represented cell, every other column free."""
    guidance = guidance_of(body)
    proposals = [
        {
            "values": [
                {"column": column["name"], "allow": found["where"].get(column["name"], column["values"])}
                for column in guidance["columns"]
            ],
            "records": found["target"] - found["now"],
            "reason": "There are too few of these.",
        }
        for found in guidance["discrepancies"]
        if found["target"] > found["now"]
    ]
    return 200, completion(json.dumps({"proposals": proposals[: guidance["proposals"]]}))


def prose(body: bytes) -> tuple[int, bytes]:
    return 200, completion("I would rather talk about something else.")


def broken(body: bytes) -> tuple[int, bytes]:
    return 500, b'{"error": {"message": "out of order", "type": "server_error"}}'


def rate_limited(body: bytes) -> tuple[int, bytes]:
    return 429, b'{"error": {"message": "slow down", "type": "rate_limit"}}'


class OpenAIServer:
    def __init__(self, behaviour: Behaviour = first_cells, on_arrival: Callable[[bytes], None] | None = None) -> None:
        self.behaviour, self.on_arrival = behaviour, on_arrival
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.redirect = ""
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.base_url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.bodies.append(body)
                server.headers.append(dict(self.headers.items()))
                if server.on_arrival:
                    server.on_arrival(body)
                status, reply = server.behaviour(body) if self.path == "/v1/chat/completions" else (404, b"{}")
                self.send_response(307 if server.redirect else status)
                if server.redirect:
                    self.send_header("Location", server.redirect)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *args: Any) -> None:
                """Say nothing on the terminal of the tests."""

        return Handler

    def __enter__(self) -> OpenAIServer:
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()
