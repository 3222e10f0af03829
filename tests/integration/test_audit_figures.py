"""The figures behind the exposure statement: kept with each prompt, and the same when worked out from its bodies."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from audit import figures, prompts, rendering
from audit.models import Body, PromptFigures
from tests.append_only import triggers_lifted
from tests.audit_story import PROMPT

pytestmark = pytest.mark.django_db(databases=["default", "log"])


def sent(sequence, answer=b"two groups"):
    row = prompts.record_intent(run="u1", sequence=sequence, attempt=1, endpoint="e", prompt=PROMPT, by="system")
    token = prompts.start_sending(row.intent_id, lease_seconds=60)
    return prompts.finish(row.intent_id, token=token, answer=answer, error="", usage={})


def test_figures_are_kept_when_the_intent_is_recorded_and_when_it_is_answered():
    row = prompts.record_intent(run="u1", sequence=1, attempt=1, endpoint="e", prompt=PROMPT, by="system")
    kept = PromptFigures.objects.get(record=row)
    assert kept.answer is None
    assert kept.total == len(prompts.load_body(row)) == len(rendering.render(PROMPT))
    assert kept.values == {"e2": ["1,0"]}
    text = "".join(rendering.message_text(message) for message in PROMPT.messages)
    assert sum(getattr(kept, kind) for kind in figures.KINDS) == len(text.encode())
    assert (kept.dpvalue, kept.synthetic, kept.freetext, kept.declared) == (2, 1, 18, 0)
    token = prompts.start_sending(row.intent_id, lease_seconds=60)
    prompts.finish(row.intent_id, token=token, answer="zwölf".encode(), error="", usage={})
    assert PromptFigures.objects.get(record=row).answer == 6


def test_prompts_from_before_are_counted_from_their_bodies_a_few_at_a_time():
    rows = [sent(number) for number in range(3)]
    kept = list(PromptFigures.objects.order_by("pk").values())
    PromptFigures.objects.all().delete()
    assert figures.catch_up(limit=2) == 1
    assert figures.catch_up(limit=2) == 0
    assert list(PromptFigures.objects.order_by("pk").values()) == kept
    assert len(rows) == len(kept)


def test_a_body_that_is_gone_is_told_and_not_counted_as_nothing():
    row = sent(1)
    PromptFigures.objects.all().delete()
    with triggers_lifted(connections["log"]):
        Body.objects.filter(pk=row.map_id).update(erased=True, cipher=b"", salt=b"")
    figures.catch_up()
    assert not PromptFigures.objects.get(record=row).readable


def recount():
    out, err = io.StringIO(), io.StringIO()
    call_command("recount_prompts", stdout=out, stderr=err)
    return out.getvalue()


@pytest.mark.parametrize("changed", [{"total": 1}, {"dpvalue": 0}, {"values": {}}, {"answer": 1}])
def test_figures_that_were_changed_are_found_by_counting_again(changed):
    row = sent(1)
    assert "1 prompts counted again, all figures right" in recount()
    PromptFigures.objects.filter(record=row).update(**changed)
    with pytest.raises(CommandError, match="1 of 1 prompts have figures that are not those of their bodies"):
        recount()
