"""The proposer that repeats: the recorded answer to the very same bytes, or none."""

from __future__ import annotations

import pytest

from synthesis.llm.base import Provider, ProviderError, Usage
from synthesis.llm.embedded import EmbeddedProvider
from synthesis.llm.recorded import RecordedProvider
from tests.fakes.protocol import completion


def test_it_repeats_what_was_answered_to_these_bytes() -> None:
    made: Provider = RecordedProvider.of([(b"one", completion("first")), (b"two", completion("second"))])
    assert b"second" in made.complete(b"two").body
    assert made.complete(b"one").usage == Usage(100, 20)


def test_of_several_answers_to_one_request_the_first_counts() -> None:
    made = RecordedProvider.of([(b"one", b"first"), (b"one", b"second")])
    assert made.complete(b"one").body == b"first"


def test_a_request_that_differs_in_one_byte_has_no_answer() -> None:
    made = RecordedProvider.of([(b"one", b"first")])
    with pytest.raises(ProviderError, match="no answer to this request was recorded"):
        made.complete(b"one ")


def test_it_stands_in_for_whoever_was_recorded() -> None:
    body = (
        b'{"messages":[{"content":"{\\"columns\\":[{\\"name\\":\\"c01\\",\\"values\\":[\\"v01\\"]}],'
        b'\\"discrepancies\\":[{\\"where\\":{\\"c01\\":[\\"v01\\"]},\\"target\\":9,\\"now\\":1}],'
        b'\\"proposals\\":5,\\"records\\":8}","role":"user"}],"model":"embedded"}'
    )
    said = EmbeddedProvider().complete(body).body
    assert RecordedProvider.of([(body, said)]).complete(body).body == said
