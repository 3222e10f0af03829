"""Asking a model about the columns: what a request may wish, and what is refused when it is submitted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from django.core.exceptions import ValidationError

from synthesis import probing, services
from synthesis.models import SynthesisRequest
from synthesis.states import Proposer
from synthesis.states import RequestState as S
from tests import request_site
from tests.fakes import structures
from tests.fakes.behaviours import first_cells
from tests.fakes.endpoints import Kind
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.protocol import models
from tests.model_site import listed
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> Site:
    return request_site.make()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(first_cells) as found:
        yield found


def test_only_a_language_model_is_asked(house: Site, server: OpenAIServer) -> None:
    with pytest.raises(ValidationError, match="Only a language model"):
        house.request(structuring=True)
    with pytest.raises(ValidationError, match="only then"):
        house.request(proposer=Proposer.OPENAI, endpoint=listed(server), about="About people.")


def test_columns_that_do_not_fit_are_told_when_it_is_submitted(house: Site, server: OpenAIServer) -> None:
    server.behaviour, server.models = Kind(context=600), models("m-1", max_model_len=600)
    endpoint = listed(server)
    with open_door():
        probing.carry_out(str(probing.ask_for(endpoint, by="console").pk))
    request = house.request(proposer=Proposer.OPENAI, endpoint=endpoint, structuring=True)
    with pytest.raises(ValidationError, match="longer than the endpoint can read"):
        services.submit(by=house.rosa, request=request)
    assert SynthesisRequest.objects.get(pk=request.pk).state == S.DRAFT


def test_stand_ins_know_the_most_dependent_pairs() -> None:
    rng = np.random.default_rng(1)
    first = rng.integers(0, 3, 500)
    table = np.column_stack([first, rng.integers(0, 4, 500), first])
    assert structures.ranked_pairs(table)[0] == (0, 2)
