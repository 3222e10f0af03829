"""A table of a hundred columns, the whole way: the question about them, the loop's prompts, the table, the replay."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from audit.models import PromptRecord
from audit.prompts import load_body
from llmsynthor_site import joining
from synthesis import packaging, running, structuring
from synthesis.models import SynthesisRequest
from synthesis.states import Gate, Proposer
from tests import privacy_site, request_site
from tests.fakes.behaviours import first_cells
from tests.fakes.endpoints import Kind
from tests.fakes.openai_server import OpenAIServer
from tests.model_site import probed, whole
from tests.sizes import Note

pytestmark = [
    pytest.mark.django_db(databases=["default", "log"], transaction=True),
    pytest.mark.long_sizes,
    pytest.mark.long_only,
]
COLUMNS, ROWS = 100, 250


def wide_table() -> bytes:
    lines = [",".join(f"q{at:02d}" for at in range(COLUMNS))]
    lines += [",".join("yn"[(row * (at + 3) // 7 + row) % 2] for at in range(COLUMNS)) for row in range(ROWS)]
    return ("\n".join(lines) + "\n").encode()


def fields() -> list[dict[str, Any]]:
    declared = {"type": "string", "categories": ["y", "n"], "constraints": {"required": True}, "publicLabels": True}
    return [{"name": f"q{at:02d}", **declared} for at in range(COLUMNS)]


def test_a_hundred_columns_go_the_whole_way_within_the_endpoints_room(
    site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], note: Note
) -> None:
    house = request_site.make()
    house.dataset = privacy_site.dataset(house.owner, content=wide_table(), title="Wide", fields=fields())
    with request_site.open_door(), OpenAIServer(first_cells) as server:
        endpoint = probed(server, Kind(first_cells, context=8192))
        request = house.submitted(
            proposer=Proposer.OPENAI, endpoint=endpoint, structuring=True, epsilon=Decimal(5), rows=ROWS
        )
        for steward in (house.stella, house.stefan):
            house.vote(request, steward)
        structuring.carry_out(str(request.pk))
        joining.measure(str(request.pk))
        house.vote(request, house.stella, Gate.EGRESS)
        running.synthesise(str(request.pk))
        request = SynthesisRequest.objects.get(pk=request.pk)
        whole(request, tmp_path, capsys)
    sent = [load_body(row) for row in PromptRecord.objects.filter(run=str(request.run.pk))]
    assert len(sent) > 1
    room = request.manifest.body["manner"]["room"]
    assert max(map(len, sent)) <= room
    table = pd.read_csv(packaging.package_folder(str(request.run.package.pk)) / "data.csv")
    assert table.shape == (ROWS, COLUMNS)
    told = f"{len(sent)} prompts of at most {max(map(len, sent))} bytes, replayed equal"
    note("D5", "a table of a hundred columns, the whole way", f"{COLUMNS} columns", told, f"at most {room} bytes")
