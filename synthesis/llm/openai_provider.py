"""Any OpenAI-compatible endpoint, through the openai package; imported by the door alone."""

from __future__ import annotations

import hashlib
import time

import httpx2
from openai import OpenAI, OpenAIError
from openai.types.chat import ChatCompletion

from synthesis.llm.base import Completion, ProviderError, Usage


class OpenAIProvider:
    """Sends recorded bytes, unchanged and once: the client's own retries are off, since each needs an intent."""

    def __init__(self, *, base_url: str, api_key: str, timeout: float) -> None:
        self.expected = ""
        self.http = httpx2.Client(event_hooks={"request": [self.compare]}, timeout=timeout, trust_env=False)
        self.client = OpenAI(base_url=base_url, api_key=api_key, max_retries=0, http_client=self.http)

    def compare(self, request: httpx2.Request) -> None:
        """Refuse to put other bytes on the wire than those that were recorded."""
        if hashlib.sha256(request.read()).hexdigest() != self.expected:
            raise ProviderError("the bytes to send differ from the recorded ones")

    def complete(self, body: bytes) -> Completion:
        """POST the body to chat/completions. Raises ProviderError with a reason that quotes nothing."""
        self.expected = hashlib.sha256(body).hexdigest()
        began = time.monotonic()
        try:
            reply = self.post(body)
        except OpenAIError as problem:
            raise ProviderError(type(problem).__name__) from problem
        return Completion(
            body=reply.to_json(indent=None).encode(), usage=usage_of(reply), seconds=time.monotonic() - began
        )

    def post(self, body: bytes) -> ChatCompletion:
        headers = {"Content-Type": "application/json"}
        return self.client.post("/chat/completions", content=body, cast_to=ChatCompletion, options={"headers": headers})


def usage_of(reply: ChatCompletion) -> Usage:
    """What the provider says it counted; zero where it says nothing."""
    told = reply.usage
    return Usage(
        prompt_tokens=told.prompt_tokens if told else 0, completion_tokens=told.completion_tokens if told else 0
    )
