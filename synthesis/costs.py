"""What a call may cost at most, set aside before it is recorded, so that no race passes the approved caps.

Tokens are bounded from above by bytes: a token stands for at least one byte of text. What a call did cost is
read from its outcome; a call in doubt, a failed one, and one whose endpoint does not say keep their bound.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any

from django.conf import settings
from django.db import transaction

from audit.models import PromptRecord
from audit.rendering import render
from audit.segments import Prompt
from synthesis.models import CallReservation, Run, SynthesisRequest
from synthesis.states import EMBEDDED

FRAME_TOKENS = 1_000
"""What an endpoint may put around a prompt by itself: roles, separators, the form of the answer."""
MILLION, MONEY = Decimal(1_000_000), Decimal("0.000001")
NAMES = {"calls": "calls", "tokens": "tokens", "seconds": "seconds of waiting", "money": "money"}


class CapReached(Exception):
    """The call could cost more than gate B approved; the message names the cap."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Prompt and completion tokens, and whole seconds of waiting for the answer."""

    prompt_tokens: int
    completion_tokens: int
    seconds: int

    def figures(self, prices: Mapping[str, str] | None) -> dict[str, int | Decimal]:
        """By the names of the caps; money is 0 where no prices were declared."""
        tokens = self.prompt_tokens + self.completion_tokens
        return {"calls": 1, "tokens": tokens, "seconds": self.seconds, "money": self.money(prices)}

    def money(self, prices: Mapping[str, str] | None) -> Decimal:
        if prices is None:
            return Decimal(0)
        told = self.prompt_tokens * Decimal(prices["prompt"])
        asked = self.completion_tokens * Decimal(prices["completion"])
        return ((told + asked) / MILLION).quantize(MONEY, ROUND_UP)


NOTHING = Cost(0, 0, 0)


def caps_for(request: SynthesisRequest) -> dict[str, Any]:
    """The caps of cost that gate B is asked to approve, beside those on the number of calls."""
    endpoint = request.endpoint if request.provider.name != EMBEDDED else None
    return {
        "tokens": settings.CALL_CAPS["tokens"],
        "seconds": settings.CALL_CAPS["seconds"],
        "money": f"{endpoint.money_cap.normalize():f}" if endpoint and endpoint.money_cap is not None else None,
        "prices": endpoint.prices if endpoint else None,
    }


def approved(run: Run) -> dict[str, Any]:
    """The caps that a gate approved; a manifest drawn up before there were caps of cost has the site's."""
    return {**settings.CALL_CAPS, "money": None, "prices": None, **run.request.approved_to_leave["caps"]}


def bound(run: Run, prompt: Prompt) -> Cost:
    """The most one attempt at this prompt can cost."""
    return Cost(0, 0, settings.DOOR_LEASE_SECONDS) if run.request.provider.name == EMBEDDED else bound_of(prompt)


def bound_of(prompt: Prompt) -> Cost:
    """The most one attempt at this prompt can cost at any endpoint."""
    set_to = json.loads(prompt.parameters.value)
    longest = max(int(set_to.get(name, 0)) for name in ("max_completion_tokens", "max_tokens"))
    return Cost(len(render(prompt)) + FRAME_TOKENS, longest, settings.DOOR_LEASE_SECONDS)


@transaction.atomic(durable=True)
def reserve(run: Run, prompt: Prompt, *, sequence: int, attempt: int) -> None:
    """Set the bound of one attempt aside, under a lock on its run; raises CapReached. Repeating it is harmless."""
    Run.objects.select_for_update().get(pk=run.pk)
    others = [row for row in run.reservations.all() if (row.sequence, row.attempt) != (sequence, attempt)]
    most = within_caps(run, prompt, others)
    CallReservation.objects.update_or_create(
        run=run, sequence=sequence, attempt=attempt,
        defaults={"prompt_tokens": most.prompt_tokens, "completion_tokens": most.completion_tokens,
                  "seconds": most.seconds},
    )  # fmt: skip


def within_caps(run: Run, prompt: Prompt, others: list[CallReservation]) -> Cost:
    """The bound of one attempt beside these others; CapReached where together they could pass a cap."""
    caps, most = approved(run), bound(run, prompt)
    spent, asked = total(run, others, caps["prices"]), most.figures(caps["prices"])
    for name, words in NAMES.items():
        if caps[name] is not None and spent[name] + asked[name] > Decimal(caps[name]):
            raise CapReached(f"the call could pass the approved number of {words}")
    return most


def total(run: Run, rows: list[CallReservation], prices: Mapping[str, str] | None) -> dict[str, int | Decimal]:
    records = {(one.sequence, one.attempt): one for one in PromptRecord.objects.filter(run=str(run.pk))}
    each = [cost_of(row, records.get((row.sequence, row.attempt))).figures(prices) for row in rows]
    return {name: sum(figures[name] for figures in each) for name in NAMES}


def cost_of(reserved: CallReservation, record: PromptRecord | None) -> Cost:
    """What an attempt counts: nothing if it never left, what its endpoint reported, otherwise the whole bound."""
    most = Cost(reserved.prompt_tokens, reserved.completion_tokens, reserved.seconds)
    if record is None or record.state != PromptRecord.State.ANSWERED:
        return NOTHING if record is not None and record.state == PromptRecord.State.LAPSED else most
    told = {name: max(0, record.usage.get(name, getattr(most, name))) for name in Cost.__slots__}
    return Cost(**told)
