"""What pages read: entries with filters, and prompts with every piece marked."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from audit import events, prompts, selectors
from tests.audit_story import PROMPT

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
        ("FREETEXT", "mind the seasons"),
    ]  # fmt: skip
    assert parts[2].facts == {"release": "r1", "measurement": "e2", "cell": "1,0"}
    assert (view.answer, view.model, view.notice) == (content, "model-1", "")
    assert [leaf.action.split(":")[2] for leaf in view.entries] == ["intent", "sending", "outcome"]


def test_entries_are_filtered_and_paged():
    for number in range(7):
        events.append(action=f"test:thing:{'odd' if number % 2 else 'even'}", by=f"user:{number % 3}",
                      subject="thing:1", facts={"number": number})  # fmt: skip
    even = selectors.entries(selectors.Filters(action="test:thing:ev"), page=1, per_page=3)
    assert [selectors.leaf_of(entry).facts["number"] for entry in even] == [6, 4, 2]
    assert even.paginator.count == 4
    assert [entry.index for entry in selectors.entries(selectors.Filters(by="user:0"))] == [6, 3, 0]
    assert not selectors.entries(selectors.Filters(since=timezone.now() + timedelta(days=1))).object_list
    assert selectors.actions() == ["test:thing:even", "test:thing:odd"]
    assert len(selectors.about("thing:1")) == 7
