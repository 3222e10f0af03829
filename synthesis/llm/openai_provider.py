"""Any OpenAI-compatible endpoint, through the openai package; imported by the door alone.

What is sent is exactly what was recorded, once. What comes back is kept as received, up to a size and within a
time; redirects are not followed. Every failure becomes a reason that quotes nothing of what the endpoint said.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import httpx2
import openai

from synthesis.llm.base import Completion, ProviderError
from synthesis.llm.replies import Reply, context_of, is_error, rates_of, refusal, usage_of, wait_of

MOST_BYTES = 2 * 2**20
"""Of one answer: a hundred times what the tokens that a prompt asks for can fill."""
CONNECT_SECONDS = 10.0
PLAIN = {"Accept-Encoding": "identity"}
TOO_LARGE = f"the answer is larger than {MOST_BYTES // 2**20} MiB"


NEEDED = ("authorization", "content-type", "accept")
"""Headers that are passed on; whatever else a client adds (its version, its machine) stays here."""


class OneCall(httpx2.BaseTransport):
    """Lets one request out: to one address, with exactly the recorded bytes. Any other is refused.

    ``expected``: SHA-256 (hex) of the bytes recorded under the intent. Raises ProviderError.
    """

    def __init__(self, inner: httpx2.BaseTransport, *, method: str, url: str, expected: str) -> None:
        self.inner, self.method, self.url, self.expected = inner, method, url, expected
        self.used = False

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        body = request.read()
        if self.used:
            raise ProviderError("the client tried to send a second time")
        if (request.method, str(request.url)) != (self.method, self.url):
            raise ProviderError("the client turned to another address")
        if hashlib.sha256(body).hexdigest() != self.expected:
            raise ProviderError("the bytes to send differ from the recorded ones")
        self.used = True
        return self.inner.handle_request(bare(request, body))


def bare(request: httpx2.Request, body: bytes) -> httpx2.Request:
    """The same request with the recorded bytes and no header that is not needed."""
    headers = {name: request.headers[name] for name in NEEDED if name in request.headers}
    headers |= {"User-Agent": "llmsynthor", "Accept-Encoding": "identity"}
    content = body if request.method == "POST" else None
    return httpx2.Request(request.method, request.url, headers=headers, content=content, extensions=request.extensions)


@lru_cache(maxsize=1)
def certificates() -> ssl.SSLContext:
    """The context that checks certificates, made once: that takes longer than all else in a call."""
    return httpx2.create_ssl_context(trust_env=False)


class OpenAIProvider:
    """Sends recorded bytes, unchanged and once: the client's own retries are off, since each needs an intent.

    ``timeout``: seconds after which a call has ended, however slowly the endpoint goes on answering. Redirects are
    not followed, and proxies named in the environment are not used.
    """

    method, path = "POST", "/chat/completions"

    def __init__(self, *, base_url: str, api_key: str, timeout: float, expected: str) -> None:
        url = f"{base_url.rstrip('/')}{self.path}"
        self.wire = OneCall(Bounded(timeout), method=self.method, url=url, expected=expected)
        self.http = httpx2.Client(
            transport=self.wire,
            timeout=httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            trust_env=False,
            follow_redirects=False,
        )
        self.client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, http_client=self.http)

    def complete(self, body: bytes) -> Completion:
        """POST the body to chat/completions. Raises ProviderError with a reason that quotes nothing."""
        began = time.monotonic()
        with _reasons() as got:
            got.append(self.call(body))
        reply = _reply(got[0])
        if is_error(reply):
            told = {"status": reply.status, "context": context_of(reply.body), "wait": wait_of(reply)}
            raise ProviderError(refusal(reply), **told)
        return Completion(
            body=reply.body, usage=usage_of(reply.body), seconds=time.monotonic() - began,
            rates=rates_of(reply.headers),
        )  # fmt: skip

    def call(self, body: bytes) -> httpx2.Response:
        options: Any = {"headers": {"Content-Type": "application/json", **PLAIN}}
        return self.client.post(self.path, content=body, cast_to=httpx2.Response, options=options)


class ModelList(OpenAIProvider):
    """Asks which models there are. Whatever is recorded for it, only the address leaves; the body stays here."""

    method, path = "GET", "/models"

    def __init__(self, *, base_url: str, api_key: str, timeout: float, expected: str) -> None:
        nothing = hashlib.sha256(b"").hexdigest()
        super().__init__(base_url=base_url, api_key=api_key, timeout=timeout, expected=nothing)

    def call(self, body: bytes) -> httpx2.Response:
        options: Any = {"headers": PLAIN}
        return self.client.get(self.path, cast_to=httpx2.Response, options=options)


@contextlib.contextmanager
def _reasons() -> Iterator[list[httpx2.Response]]:
    """Holds one response, one with an error's status among them; anything else becomes a ProviderError."""
    got: list[httpx2.Response] = []
    try:
        yield got
    except openai.APIStatusError as problem:
        got.append(problem.response)
    except Exception as problem:
        raise ProviderError(reason_of(problem)) from problem


def reason_of(problem: Exception) -> str:
    """Why no reply arrived, in words of our own: an exception's message may quote the endpoint."""
    for each in (problem, problem.__cause__):
        if isinstance(each, ProviderError):
            return str(each)
    if isinstance(problem, openai.APITimeoutError):
        return "the endpoint did not answer in time"
    if isinstance(problem, openai.APIConnectionError):
        return "the connection to the endpoint failed"
    return f"the call to the endpoint failed ({type(problem).__name__})"


def _reply(response: httpx2.Response) -> Reply:
    return Reply(response.status_code, dict(response.headers), response.content)


class Bounded(httpx2.HTTPTransport):
    """A transport whose answers end after so many seconds and so many bytes, headers included in the time.

    A packed answer is refused: a small one may unpack to more than memory holds.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(trust_env=False, verify=certificates())
        self.seconds = seconds

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        deadline = Deadline(self.seconds, request)
        request.extensions["trace"] = deadline.watch
        with deadline.kept():
            response = super().handle_request(request)
        whole = Whole(response.stream, deadline)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            whole.close()
            raise ProviderError("the answer is packed, which was not asked for")
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=whole, extensions=response.extensions
        )


class Whole(httpx2.SyncByteStream):
    """A body up to MOST_BYTES, read before the deadline."""

    def __init__(self, stream: Any, deadline: Deadline) -> None:
        self.stream, self.deadline = stream, deadline

    def __iter__(self) -> Iterator[bytes]:
        read = 0
        with self.deadline.kept():
            for part in self.stream:
                read += len(part)
                if read > MOST_BYTES:
                    raise ProviderError(TOO_LARGE)
                yield part

    def close(self) -> None:
        self.deadline.timer.cancel()
        self.stream.close()


class Deadline:
    """Shuts the connection when its seconds are over, so that a read in progress ends too."""

    def __init__(self, seconds: float, request: httpx2.Request) -> None:
        self.request, self.passed = request, False
        self.line: socket.socket | None = None
        self.timer = threading.Timer(seconds, self.end)
        self.timer.daemon = True
        self.timer.start()

    def watch(self, event: str, info: dict[str, Any]) -> None:
        """Told by the transport what it does; keeps the connection's socket."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self.line = info["return_value"].get_extra_info("socket")
            if self.passed:
                self.end()

    def end(self) -> None:
        self.passed = True
        if self.line is not None:
            with contextlib.suppress(OSError):
                self.line.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Whatever happens inside after the deadline is a timeout; a body without a length would look whole."""
        try:
            yield
        except BaseException:
            self.timer.cancel()
            if self.passed:
                raise httpx2.ReadTimeout("too late", request=self.request) from None
            raise
        if self.passed:
            raise httpx2.ReadTimeout("too late", request=self.request)
