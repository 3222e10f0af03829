import pytest

from audit import facts
from audit.errors import UnfitEvent


def filled(action):
    return dict.fromkeys(facts.required(action), "x")


@pytest.mark.parametrize("action", [name for name in facts.FACTS if not name.endswith("*")])
def test_an_event_needs_each_of_its_facts(action):
    facts.check(action, filled(action))
    for name in facts.required(action):
        with pytest.raises(UnfitEvent, match=name):
            facts.check(action, {key: value for key, value in filled(action).items() if key != name})


def test_a_starred_row_stands_for_every_action_it_begins():
    assert facts.required("synthesis:request:withdrawn") == ("request",)
    assert facts.required("synthesis:request:submitted") == ("request", "content_hash")
    assert facts.required("test:thing:happened") == ()


@pytest.mark.parametrize("action", ["", "submitted", "a:b", "A:b:c", "a:b:c:d", "a:b:c ", "a:b:\n"])
def test_malformed_actions_are_refused(action):
    with pytest.raises(UnfitEvent, match="source:subject:action"):
        facts.check(action, {})


@pytest.mark.parametrize("told", [{"rows": 5}, {"file": {"size": 3}}, {"steps": [{"seconds": 1}]}, {"max": "9"}])
def test_the_exact_stage_never_tells_sizes_durations_or_values(told):
    facts.check("site:table:made", told)
    with pytest.raises(UnfitEvent, match="may never carry"):
        facts.check("privacy:upload:accepted", {**filled("privacy:upload:accepted"), **told})
