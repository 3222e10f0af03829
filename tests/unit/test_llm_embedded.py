"""The embedded proposer: greedy, deterministic, valid by the same rules as any other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from privacy.values import Domain
from synthesis.llm import answers
from synthesis.llm.base import ProviderError, Usage
from synthesis.llm.embedded import EmbeddedProvider

DOMAIN = Domain(("a", "b", "c"), (2, 3, 2))


def cell(target: int, now: int, **where: Any) -> dict[str, Any]:
    return {"where": where, "target": target, "now": now}


def request(*discrepancies: dict[str, Any], proposals: int = 5, before: str = "") -> bytes:
    columns = [
        {"name": f"c{i + 1:02d}", "values": [f"v{code + 1:02d}" for code in range(size)]}
        for i, size in enumerate(DOMAIN.sizes)
    ]
    guidance = {"columns": columns, "discrepancies": discrepancies, "proposals": proposals, "records": 300}
    messages = [{"role": "system", "content": "rules {}"}, {"role": "user", "content": before + json.dumps(guidance)}]
    return json.dumps({"model": "embedded", "messages": messages}).encode()


def plan_of(body: bytes) -> Any:
    plan, rejected = answers.parse_completion(EmbeddedProvider().complete(body).body, DOMAIN)
    assert rejected == ()
    return plan.proposals


def test_under_represented_groups_that_agree_become_one_proposal() -> None:
    body = request(
        cell(500, 300, c01=["v01"], c02=["v02", "v03"]),
        cell(400, 300, c02=["v02"], c03=["v01"]),
        cell(900, 960, c01="v02", c03="v02"),
    )
    (found,) = plan_of(body)
    assert found.cells == {"a": (0,), "b": (1,), "c": (0,)}
    assert found.weight == 300
    assert "2 under-represented groups" in found.reason


def test_groups_that_disagree_share_the_records_by_their_gaps() -> None:
    first, second = plan_of(request(cell(300, 100, c01="v01", c02="v01"), cell(150, 50, c01="v02", c03="v01")))
    assert (first.weight, second.weight) == (200, 100)
    assert first.cells == {"a": (0,), "b": (0,), "c": (0, 1)}
    assert second.cells == {"a": (1,), "b": (0, 1, 2), "c": (0,)}


def test_a_joint_group_that_is_over_represented_is_not_fed() -> None:
    first, second = cell(300, 100, c01="v01", c02="v01"), cell(150, 50, c02="v01", c03="v01")
    assert len(plan_of(request(first, second))) == 1
    found = plan_of(request(first, second, cell(10, 90, c01="v01", c03="v01")))
    assert len(found) == 2


def test_no_more_proposals_than_asked_for_and_none_without_a_gap() -> None:
    gaps = [cell(300 + 10 * i, 100, c01=f"v0{1 + i % 2}", c02=f"v0{1 + i // 2}") for i in range(6)]
    assert len(plan_of(request(*gaps, proposals=2))) == 2
    assert json.loads(_content(request(cell(1, 9, c01="v01")))) == {"proposals": []}


def _content(body: bytes) -> str:
    return str(json.loads(EmbeddedProvider().complete(body).body)["choices"][0]["message"]["content"])


def test_the_answer_is_a_chat_completion_and_depends_on_the_request_alone() -> None:
    body = request(cell(500, 300, c01="v01", c02="v02"), before="Here are the differences: ")
    first, second = EmbeddedProvider().complete(body), EmbeddedProvider().complete(body)
    assert first.body == second.body
    assert first.usage == Usage(0, 0)
    assert json.loads(first.body)["choices"][0]["finish_reason"] == "stop"
    assert len(plan_of(body)) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"messages": []}', b'{"messages": [{"role": "user", "content": "{}"}]}']
)
def test_a_request_without_guidance_is_an_error_in_words(body: bytes) -> None:
    with pytest.raises(ProviderError, match="no guidance"):
        EmbeddedProvider().complete(body)
