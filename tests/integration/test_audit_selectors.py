"""What pages read: prompts with every piece marked, the run around them, and who approved what."""

import json
from dataclasses import replace

import pytest
from django.db import connections

from audit import approvals, events, prompts, selectors
from audit.commitments import vote_commitment
from audit.models import Body
from audit.segments import DPValue, Message, Synthetic, Template
from tests.append_only import triggers_lifted
from tests.audit_story import PROMPT

SALT = "07" * 32

pytestmark = pytest.mark.django_db(databases=["default", "log"])


def test_the_view_marks_every_piece_with_its_kind_and_its_source():
    row = prompts.record_intent(run="u1", sequence=1, attempt=1, endpoint="e", prompt=PROMPT, by="system")
    token, content = prompts.start_sending(row.intent_id, lease_seconds=60), "two groups"
    sent_back = json.dumps({"choices": [{"message": {"content": content}}]}).encode()
    prompts.finish(row.intent_id, token=token, answer=sent_back, error="", usage={})
    row.refresh_from_db()
    view = selectors.prompt_view(row)
    parts = [part for message in view.messages for part in message.parts]
    assert [(part.type, part.text) for part in parts] == [
        ("TEMPLATE", "Propose groups. "), ("TEMPLATE", "target "), ("DPVALUE", "41"), ("SYNTHETIC", "7"),
        ("FREETEXT", '"mind the seasons"'),
    ]  # fmt: skip
    assert parts[2].facts == {"release": "r1", "measurement": "e2", "cell": "1,0"}
    assert (view.answer, view.model, view.notice) == (content, "model-1", "")
    assert [leaf.action.split(":")[2] for leaf in view.entries] == ["intent", "sending", "outcome"]


def call(number, prompt):
    return prompts.record_intent(run="u1", sequence=number, attempt=1, endpoint="e", prompt=prompt, by="system")


def test_a_run_is_a_tree_of_its_calls_and_each_is_compared_with_the_one_before():
    first = call(1, PROMPT)
    told = Message("user", (Template("target", "target "), DPValue(41, "r1", "e2", (1, 0)), Synthetic(8, "loop")))
    second = call(2, replace(PROMPT, messages=(PROMPT.messages[0], told, PROMPT.messages[2])))
    tree = selectors.run_tree("u1", address=lambda one: f"/{one.sequence}/")
    assert [(number, [one.address for one in found]) for number, found in tree] == [(1, ["/1/"]), (2, ["/2/"])]
    shown = selectors.viewer(second, tree, compared=True)
    assert (shown["previous"].record, shown["following"]) == (first, None)
    changed = shown["changes"][1]
    assert [(piece.change, "".join(part.text for part in piece.parts)) for piece in changed.pieces] == [
        ("same", "target 41"), ("gone", "7"), ("new", "8"),
    ]  # fmt: skip
    assert [one.new for one in shown["changes"]] == [0, 1, 0]
    assert selectors.viewer(first, tree, compared=True)["changes"] is None, "nothing came before the first"
    assert [(part.type, part.text) for part in shown["view"].numbers] == [("DPVALUE", "41"), ("SYNTHETIC", "8")]


def test_what_changed_since_an_erased_prompt_cannot_be_told():
    first, second = call(1, PROMPT), call(2, PROMPT)
    with triggers_lifted(connections["log"]):
        Body.objects.filter(pk=first.map_id).update(erased=True, cipher=b"", salt=b"")
    tree = selectors.run_tree("u1", address=lambda one: "/")
    shown = selectors.viewer(second, tree, compared=True)
    assert (shown["changes"], "was erased" in shown["untold"]) == ((), True)


def approved(gate, content, **more):
    facts = {"request": "q1", "gate": gate, "content_hash": content, **more}
    events.append(action="synthesis:request:approved", by="system", subject="request:q1", facts=facts)


def vote(gate, voter, content, decision="approve"):
    sealed = vote_commitment(SALT, decision)
    facts = {"request": "q1", "gate": gate, "decision_hash": sealed, "content_hash": content, "voter": voter}
    events.append(action="synthesis:vote:cast", by=voter, subject="request:q1", facts=facts)


def revealed(gate, content, **votes):
    told = [{"voter": f"user:{name}", "decision": how, "salt": SALT} for name, how in votes.items()]
    facts = {"request": "q1", "gate": gate, "content_hash": content, "votes": told}
    events.append(action="synthesis:votes:revealed", by="system", subject="request:q1", facts=facts)


def test_approvals_are_those_a_gate_was_passed_with():
    vote("measure", "user:old", "first round")
    vote("measure", "user:stella", "second round")
    vote("measure", "user:stefan", "second round")
    assert approvals.of_request("q1") == [], "votes at an open gate stay blind"
    revealed("measure", "second round", stella="approve", stefan="approve")
    approved("measure", "second round")
    vote("egress", "user:stella", "manifest")
    assert [(one.gate, one.voter) for one in approvals.of_request("q1")] == [
        ("measure", "user:stella"), ("measure", "user:stefan"),
    ]  # fmt: skip
