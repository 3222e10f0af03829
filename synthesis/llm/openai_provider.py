"""Any OpenAI-compatible endpoint, through the openai package; imported by the door alone."""

from __future__ import annotations

import hashlib
import time
from functools import lru_cache

import httpx2
from openai import OpenAI, OpenAIError
from openai.types.chat import ChatCompletion

from synthesis.llm.base import Completion, ProviderError, Usage

NEEDED = ("authorization", "content-type", "accept")
"""Headers that are passed on; whatever else a client adds (its version, its machine) stays here."""


class OneCall(httpx2.BaseTransport):
    """Lets one request out: to one address, with exactly the recorded bytes. Any other is refused.

    ``expected``: SHA-256 (hex) of the bytes recorded under the intent. Raises ProviderError.
    """

    def __init__(self, inner: httpx2.BaseTransport, *, url: str, expected: str) -> None:
        self.inner, self.url, self.expected = inner, url, expected
        self.used = False

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        body = request.read()
        if self.used:
            raise ProviderError("the client tried to send a second time")
        if (request.method, str(request.url)) != ("POST", self.url):
            raise ProviderError("the client turned to another address")
        if hashlib.sha256(body).hexdigest() != self.expected:
            raise ProviderError("the bytes to send differ from the recorded ones")
        self.used = True
        return self.inner.handle_request(bare(request, body))


def bare(request: httpx2.Request, body: bytes) -> httpx2.Request:
    """The same request with the recorded bytes and no header that is not needed."""
    headers = {name: request.headers[name] for name in NEEDED if name in request.headers}
    headers |= {"User-Agent": "llmsynthor", "Accept-Encoding": "identity"}
    return httpx2.Request("POST", request.url, headers=headers, content=body, extensions=request.extensions)


@lru_cache(maxsize=32)
def line_to(base_url: str) -> httpx2.HTTPTransport:
    """The connections to one endpoint: making their certificates' context takes longer than all else in a call."""
    return httpx2.HTTPTransport(trust_env=False, limits=httpx2.Limits(keepalive_expiry=5))


class OpenAIProvider:
    """Sends recorded bytes, unchanged and once: the client's own retries are off, since each needs an intent.

    Redirects are not followed, and proxies named in the environment are not used.
    """

    def __init__(self, *, base_url: str, api_key: str, timeout: float, expected: str) -> None:
        url = f"{base_url.rstrip('/')}/chat/completions"
        self.wire = OneCall(line_to(base_url), url=url, expected=expected)
        self.http = httpx2.Client(transport=self.wire, timeout=timeout, trust_env=False, follow_redirects=False)
        self.client = OpenAI(base_url=base_url, api_key=api_key, max_retries=0, http_client=self.http)

    def complete(self, body: bytes) -> Completion:
        """POST the body to chat/completions. Raises ProviderError with a reason that quotes nothing."""
        began = time.monotonic()
        try:
            reply = self.post(body)
        except OpenAIError as problem:
            refused = problem.__cause__
            raise refused if isinstance(refused, ProviderError) else ProviderError(type(problem).__name__) from problem
        return Completion(
            body=reply.to_json(indent=None).encode(), usage=usage_of(reply), seconds=time.monotonic() - began
        )

    def post(self, body: bytes) -> ChatCompletion:
        headers = {"Content-Type": "application/json"}
        return self.client.post("/chat/completions", content=body, cast_to=ChatCompletion, options={"headers": headers})


def usage_of(reply: ChatCompletion) -> Usage | None:
    """What the provider says it counted; None where it says nothing."""
    told = reply.usage
    return Usage(prompt_tokens=told.prompt_tokens, completion_tokens=told.completion_tokens) if told else None
