"""What a probe asks of an endpoint, and what the replies tell.

Everything in it is fixed wording of this file: no column, no label, no number of any table. The door sends for a
probe only what is rendered here. Asking for the list of models is a prompt without messages; of it nothing leaves
but the address. Pure: who asks, and how it is logged, is in probing.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from audit.rendering import render
from audit.segments import Declared, Message, Prompt, Template
from synthesis.llm import replies

NEW, OLD = "max_completion_tokens", "max_tokens"
"""Two names for the longest answer: newer servers know the first, some older ones the second alone."""
SHORT, ROOM = 64, 1_000
"""Tokens an answer may take where it is meant to be cut off, and elsewhere: a model may think before it speaks."""
MODELS, LIMIT, LIMIT_OLD, SCHEMA = "models", "limit", "limit-old", "schema"
EXTRA: dict[str, Any] = {"temperature": 1, "seed": 1}
ITEM_TOKENS = 2
"""At least, of every item of a long text, for any model: letters, digits and marks are never one token together."""
LONG = {f"long-{items}": items for items in (4000, 2000, 1000, 500)}
CALLS = (MODELS, LIMIT, LIMIT_OLD, *EXTRA, SCHEMA, *LONG)

COUNT = Template("probe-count", "Count from 1 to 200 and write nothing but the numbers, one a line.")
HELLO = Template("probe-hello", "Answer with the word hello and nothing else.")
WORD = "harbour"  # nothing that is asked leads to it, so that whoever answers it was made to
FORM: dict[str, Any] = {
    "type": "object", "properties": {"word": {"type": "string", "enum": [WORD]}},
    "required": ["word"], "additionalProperties": False,
}  # fmt: skip
REFUSALS = (400, 422)


def listing(items: int) -> Template:
    """A text of known length in the form of a prompt's codes."""
    codes = ",".join(f'"v{item % 100:02d}"' for item in range(items))
    return Template(f"probe-list-{items}", f"[{codes}]\n{HELLO.text}")


def prompt(call: str, model: str, limit: str = NEW) -> Prompt:
    """One call of a probe; ``limit`` is the parameter that bounds its answer."""
    asked = Template("probe-list", "") if call == MODELS else _wording(call)
    return Prompt(
        model=Declared(model, "endpoint:model"),
        parameters=Declared.of_json(_parameters(call, limit), source="probe:parameters"),
        response_schema=Declared.of_json(FORM, source="probe:form") if call == SCHEMA else None,
        messages=() if call == MODELS else (Message("user", (asked,)),),
    )


def _wording(call: str) -> Template:
    if call in LONG:
        return listing(LONG[call])
    return COUNT if call in (LIMIT, LIMIT_OLD) else HELLO


def _parameters(call: str, limit: str) -> dict[str, Any]:
    if call == MODELS:
        return {}
    most = SHORT if call in (LIMIT, LIMIT_OLD) else ROOM
    extra = {call: EXTRA[call]} if call in EXTRA else {}
    return {OLD if call == LIMIT_OLD else limit: most, **extra}


def bodies(model: str) -> Iterator[bytes]:
    """Every request that a probe of this model can make, as bytes."""
    for call in CALLS:
        for limit in (NEW, OLD):
            yield render(prompt(call, model, limit))


def is_fixed(body: bytes, model: str) -> bool:
    """Whether these bytes are a probe's, to the last one."""
    return sha256(body).digest() in {sha256(one).digest() for one in bodies(model)}


def is_listing(body: bytes) -> bool:
    """Whether these bytes stand for the question which models there are."""
    return json.loads(body)["messages"] == []


def most_tokens(model: str, frame: int) -> tuple[int, int]:
    """Tokens told and answered at most, by a whole probe; ``frame``: what an endpoint may put around each call."""
    told = sum(len(render(prompt(call, model))) + frame for call in CALLS if call != MODELS)
    return told, 2 * SHORT + ROOM * (len(CALLS) - 3)


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one call. ``status`` and ``context``: as the endpoint told them, 0 where it did not."""

    outcome: str
    reason: str = ""
    status: int = 0
    context: int = 0
    body: bytes = b""
    usage: Mapping[str, int] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        return self.outcome == "answered"

    @property
    def declined(self) -> bool:
        """Whether the endpoint said no to this form of the request, rather than being out of order."""
        return self.outcome == "failed" and self.status in REFUSALS


NOBODY = Heard("never asked")


@dataclass(frozen=True, slots=True)
class Story:
    """What was heard of a model so far, by call: what to ask next, and what it all says."""

    model: str
    heard: dict[str, Heard] = field(default_factory=dict)

    def of(self, call: str) -> Heard:
        return self.heard.get(call, NOBODY)

    def following(self) -> str | None:
        """The next call to make; None where nothing is left to find out."""
        first = [MODELS, LIMIT, *([LIMIT_OLD] if self._doubts_limit() else [])]
        if (missing := self._first_unasked(first)) or not self.limit:
            return missing
        return self._first_unasked([*EXTRA, SCHEMA]) or self._longer()

    def _first_unasked(self, calls: list[str]) -> str | None:
        return next((call for call in calls if call not in self.heard), None)

    def _doubts_limit(self) -> bool:
        return self.of(LIMIT).declined or _runs_on(self.of(LIMIT))

    @property
    def limit(self) -> str:
        """The parameter that bounds answers here; empty where the endpoint does not answer at all."""
        new, old = self.of(LIMIT), self.of(LIMIT_OLD)
        if old.answered and (not new.answered or not _runs_on(old)):
            return OLD
        return NEW if new.answered else ""

    @property
    def trouble(self) -> str:
        """Why the endpoint does not answer at all, or an empty string."""
        return "" if self.limit else (self.heard.get(LIMIT_OLD) or self.of(LIMIT)).reason

    def _longer(self) -> str | None:
        """The next length to try, shorter each time, until one is taken or the endpoint is out of order."""
        tried = [self.of(call) for call in LONG if call in self.heard]
        if tried and not (tried[-1].declined or tried[-1].context):
            return None
        room = self.told["context"] or max((one.context for one in tried), default=0)
        return self._first_unasked([call for call in LONG if not room or ITEM_TOKENS * LONG[call] + ROOM <= room])

    @property
    def told(self) -> dict[str, int]:
        """Context and longest answer in tokens as the list of models tells them; 0 where it does not."""
        return replies.limits_of(self.of(MODELS).body, self.model)

    def findings(self) -> dict[str, Any]:
        """Everything found, as plain JSON for the log and the pages; None where nothing was learned."""
        first = next((one for one in (self.of(LIMIT), self.of(LIMIT_OLD)) if one.answered), self.of(LIMIT))
        return {
            "answers": bool(self.limit),
            "listed": replies.listed(self.of(MODELS).body, self.model) if self.of(MODELS).answered else None,
            "limit": self.limit or None,
            "limit_kept": not _runs_on(self.of(LIMIT_OLD if self.limit == OLD else LIMIT)) if self.limit else None,
            "usage": "prompt_tokens" in first.usage if first.answered else None,
            **{name: _accepted(self.of(name)) for name in EXTRA},
            "schema": _enforced(self.of(SCHEMA)),
            **self._context(),
            "output": self.told["output"] or None,
            **{name: first.usage.get(name) for name in replies.RATES},
        }

    def _context(self) -> dict[str, Any]:
        """Tokens of context as told, by the list or in a refusal; bytes that were taken whole; bytes in 100 tokens."""
        tried = {call: self.of(call) for call in LONG if call in self.heard}
        taken = next((call for call, one in tried.items() if one.answered), None)
        read = tried[taken].usage.get("prompt_tokens", 0) if taken else 0
        cut = bool(taken) and 0 < read < ITEM_TOKENS * LONG[str(taken)]
        size = len(listing(LONG[taken]).text) if taken else 0
        refused = max((one.context for one in tried.values()), default=0)
        return {
            "context": self.told["context"] or refused or (read if cut else None),
            "cuts": cut if taken else None,
            "fits": size if taken and not cut else None,
            "density": 100 * size // read if read and not cut else None,
        }


def _runs_on(made: Heard) -> bool:
    """Whether an answer went on beyond the tokens it was given."""
    return made.answered and made.usage.get("completion_tokens", 0) > SHORT


def _accepted(made: Heard) -> bool | None:
    return True if made.answered else False if made.declined else None


def _enforced(made: Heard) -> str | None:
    """Whether a demanded form is kept to: "enforced", "ignored", "refused", or None where that is unclear."""
    if not made.answered:
        return "refused" if made.declined else None
    content = replies.content_of(made.body)
    if content is None:
        return None
    return "enforced" if replies.loaded(content.encode()) == {"word": WORD} else "ignored"
