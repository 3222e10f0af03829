"""Answers that do not arrive, or not as the protocol says: errors, silence, floods, and broken connections."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from tests.fakes.protocol import Behaviour, Reply, completion, error

HUGE = 16 * 2**20  # bytes of an answer that must not be held in memory
SLOW = 30.0  # seconds, longer than any test waits


def broken(body: bytes) -> tuple[int, bytes]:
    return 500, error("out of order", kind="server_error")


def unavailable(body: bytes) -> Reply:
    return Reply(503, b"<html>upstream connect error</html>", {"Content-Type": "text/html"})


def rate_limited(body: bytes) -> Reply:
    limits = {"Retry-After": "7", "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0"}
    return Reply(429, error("slow down", kind="requests", code="rate_limit_exceeded"), limits)


def out_of_money(body: bytes) -> tuple[int, bytes]:
    return 429, error("You exceeded your current quota", kind="insufficient_quota", code="insufficient_quota")


def wrong_key(body: bytes) -> tuple[int, bytes]:
    told = "Incorrect API key provided: sk-secret"
    return 401, error(told, kind="invalid_request_error", code="invalid_api_key")


def wrong_model(body: bytes) -> tuple[int, bytes]:
    told = "The model `x` does not exist"
    return 404, error(told, kind="invalid_request_error", code="model_not_found", param="model")


def short_context(body: bytes) -> tuple[int, bytes]:
    told = "This model's maximum context length is 512 tokens. However, your messages resulted in 2048 tokens."
    return 400, error(told, kind="invalid_request_error", code="context_length_exceeded", param="messages")


def unsupported(body: bytes) -> tuple[int, bytes]:
    told = "'response_format' of type 'json_schema' is not supported with this model."
    return 400, error(told, kind="invalid_request_error", param="response_format")


def slow(body: bytes) -> Reply:
    return Reply(200, completion("too late"), wait=SLOW)


def dripping(body: bytes) -> Reply:
    """A byte now and then: no single read takes long, the whole takes for ever."""
    return Reply(200, completion("x" * 5000), drip=0.1)


def dropping(body: bytes) -> Reply:
    """Closes the connection in the middle of the body."""
    whole = completion("never to be read to its end")
    return Reply(200, whole[: len(whole) // 2], declared=len(whole))


def hanging_up(body: bytes) -> Reply:
    return Reply(0)


def not_json(body: bytes) -> Reply:
    return Reply(200, b"<html><body>Please sign in</body></html>", {"Content-Type": "text/html"})


def half_json(body: bytes) -> tuple[int, bytes]:
    return 200, completion("cut")[:-40]


def no_text(body: bytes) -> tuple[int, bytes]:
    """Bytes that are no UTF-8, and half a surrogate pair."""
    return 200, completion("x").replace(b'"x"', b'"\xff\xfe \\ud800"')


def streaming(body: bytes) -> Reply:
    """Answers as a stream though none was asked for."""
    parts = b'data: {"choices": [{"delta": {"content": "hello"}}]}\n\ndata: [DONE]\n\n'
    return Reply(200, parts, {"Content-Type": "text/event-stream"})


def huge(body: bytes) -> Reply:
    def flood() -> Iterator[bytes]:
        yield b'{"choices": [{"message": {"content": "'
        for _ in range(HUGE // 2**16):
            yield b"x" * 2**16

    return Reply(200, chunks=flood)


def bomb(body: bytes) -> Reply:
    """A small body that would unpack to a large one."""
    return Reply(200, zlib.compress(b" " * HUGE, wbits=31), {"Content-Encoding": "gzip"})


def redirecting(address: str) -> Behaviour:
    """Sends the caller elsewhere, keeping method and body."""
    return lambda body: Reply(307, headers={"Location": address})


BEHAVIOURS: dict[str, Behaviour] = {
    "broken": broken, "unavailable": unavailable, "rate-limited": rate_limited, "out-of-money": out_of_money,
    "wrong-key": wrong_key, "wrong-model": wrong_model, "short-context": short_context, "unsupported": unsupported,
    "slow": slow, "dripping": dripping, "dropping": dropping, "hanging-up": hanging_up, "not-json": not_json,
    "half-json": half_json, "no-text": no_text, "streaming": streaming, "huge": huge, "bomb": bomb,
    "redirecting": redirecting("http://127.0.0.1:9/v1/chat/completions"),
}  # fmt: skip
