"""Exports an insider signed: everything in them is well-formed, and one thing that happened may not have."""

import dataclasses

import pytest

from audit import canonical, rendering
from audit.commitments import vote_commitment
from audit.segments import Declared, DPValue, FreeText, Message, Template, approved_with, found_in
from tests.audit_story import PROMPT, SALT, SENTENCE, commit, erase, findings, money, propose, vote, whole

INTENT = "audit:prompt:intent"
SENDING = "audit:prompt:sending"
OUTCOME = "audit:prompt:outcome"
COMMIT = "privacy:ledger:commit"
CAP = "privacy:ledger:cap_set"
RESERVE = "privacy:ledger:reserve"
FORFEIT = "privacy:ledger:forfeit"
MEASURED = "privacy:release:measured"
REGISTERED = "privacy:dataset:registered"
CREATED = "synthesis:request:created"
VOTE, REVEALED = "synthesis:vote:cast", "synthesis:votes:revealed"
GRANT = "synthesis:grant:issued"
SERVED = "synthesis:download:served"
REVOKED, RECALLED = "synthesis:request:revoked", "synthesis:request:recalled"
SUBMITTED = "synthesis:request:submitted"
APPROVED = "synthesis:request:approved"
SYNTHESISING = "synthesis:request:synthesising"
STARTED = "synthesis:run:started"
BUILT = "synthesis:package:built"
ACCEPTED = "synthesis:licence:accepted"
PROPOSED = "audit:body:erasure_proposed"
ERASED = "audit:body:erased"
WITHDRAWN = "audit:body:erasure_withdrawn"
TAKEN_BACK = {"proposal": "x1", "bodies": ["i1-answer"], "proposed_by": "user:sam"}


def dropped(action, nth=0):
    return lambda story: story.entries.pop(story.find(action, nth))


def moved(action, to, nth=0):
    return lambda story: story.entries.insert(to, story.entries.pop(story.find(action, nth)))


def told(action, nth=0, **facts):
    return lambda story: story.facts(action, nth).update(facts)


def added(action, facts, at=None):
    return lambda story: story.entries.insert(len(story.entries) if at is None else at, (action, "system", facts))


def other_prompt(story):
    story.facts(INTENT)["prompt"] = story.keep("i1-prompt", rendering.render(PROMPT) + b" ")


def bare_text(story):
    found = canonical.loads(story.bodies["i1-map"])
    found["messages"][0]["segments"].append("Ada earns 81,200")
    story.facts(INTENT)["map"] = story.keep("i1-map", canonical.dumps(found))


def with_value(value):
    def change(story):
        prompt = dataclasses.replace(PROMPT, messages=(Message("user", (Template("t", "x"), value)),))
        story.facts(INTENT)["map"] = story.keep("i1-map", rendering.to_map(prompt))
        story.facts(INTENT)["prompt"] = story.keep("i1-prompt", rendering.render(prompt))

    return change


def with_labels(text, release="r1"):
    """A prompt with labels that key discovery found, beside a release that found two."""

    def change(story):
        found = {"column": "code", "keys": ["kilo", "lima"], "labels": ["kilo", "lima", "another"]}
        story.facts(MEASURED)["keys"] = story.keep("keys", canonical.dumps({"e1": found}))
        with_value(Declared(text, found_in(release)))(story)

    return change


def raised_after(step):
    """Two people raise the cap by a proposal that was declined, or withdrawn, before."""

    def plant(story):
        of = {"population": "p1", "proposal": "c1"}
        people = {"proposed_by": "user:olga", "confirmed_by": "user:odo"}
        story.entries.append((f"privacy:cap_raise:{step}", "user:odo", {**of, "reason": "No."}))
        story.entries.append(("privacy:ledger:cap_raise", "user:odo", {**of, "rho": "1", "delta": "0", **people}))

    return plant


def of_another_request(story):
    """The numbers are right, but it was somebody else's request that had them measured."""
    story.facts(MEASURED)["request"] = "q0"


def released_again(story):
    story.entries.append((MEASURED, "system", {**story.facts(MEASURED), "release": "r2"}))


def doubled_intent(story):
    again = {**story.facts(INTENT), "intent": "i9"}
    story.entries.append((INTENT, "system", again))
    story.entries.append(("audit:prompt:in_doubt", "system:door", {"intent": "i9"}))


def calibrated(
    sensitivity, scale, *, mechanism="discrete gaussian", kind="table", k=1, neighbours="add-remove", **more
):
    """The first charge (rho 0.2) with facts that say how its noise was calibrated."""
    unit = {"kind": "identifier", "k": k, "column": "who", "neighbours": neighbours}
    facts = {"mechanism": mechanism, "kind": kind, "sensitivity": sensitivity, "scale": scale, "unit": unit}
    return told(COMMIT, **facts, **({"cliques": [[{"column": "a", "bins": []}]]} | more))


def rejected(story):
    """Cast as a rejection and revealed as one, and the gate opens all the same."""
    story.facts(VOTE)["decision_hash"] = vote_commitment(SALT.hex(), "reject")
    turned_round(story)


def turned_round(story):
    story.facts(REVEALED)["votes"][0]["decision"] = "reject"


def owner_votes(story):
    story.entries.append(vote("output", "user:olga", "hp"))


def owner_renamed(story):
    """The owner votes, and a second registration says that the data are somebody else's."""
    story.entries.insert(1, (REGISTERED, "user:sam", story.facts(REGISTERED)))
    owner_votes(story)


def second_text(story):
    story.entries.append((ACCEPTED, "user:rita", {**story.facts(ACCEPTED), "licence_sha256": "other"}))


def ended_before_download(how):
    return lambda story: story.entries.insert(story.find(SERVED), (how, "user:sam", {"request": "q1"}))


def erased_but(change=lambda story: None, **parts):
    """An answer erased as it should be, and then one thing otherwise."""

    def plant(story):
        erase(story, "i1-answer")
        change(story)
        vars(story).update(parts)

    return plant


def erased_told(**facts):
    return erased_but(told(ERASED, **facts))


def by_another(story):
    at = story.find(PROPOSED)
    story.entries[at] = (PROPOSED, "user:uma", story.entries[at][2])


def erasure_first(story):
    for action in (ERASED, PROPOSED):
        moved(action, 1)(story)


def withdrawn_before(story):
    story.entries.insert(story.find(ERASED), (WITHDRAWN, "user:sam", TAKEN_BACK))


def withdrawn_otherwise(**facts):
    def plant(story):
        propose(story, "i1-answer")
        story.entries.append((WITHDRAWN, "user:sam", TAKEN_BACK | facts))

    return plant


SLOT = [{"column": "a", "bins": []}]
TIED = {"size_column": "s", "present": [1, 3], "slots": [SLOT] * 3, "blocks": [0, 0, 1], "votes": 1}
VOTES = {"cliques": [TIED], "parts": 720720}
HONEST = {
    "one row": calibrated("1.0", "1.5811388300841898"),
    "five rows": calibrated("5.0", "7.905694150420949", k=5),
    "five rows exchanged": calibrated("7.071067811865476", "11.18033988749895", k=5, neighbours="change-one"),
    "a choice": calibrated("2", "3.162277660168379", mechanism="noisy max", kind="selection", neighbours="change-one"),
    "two blocks": calibrated("1019251.9987029917", "1611579.9", **VOTES),
    "another mechanism": calibrated("stated", "stated", mechanism="threshold"),
}
DISHONEST = {
    "cheap noise": (calibrated("1.0", "1.58"), "costs more than was charged"),
    "cheap choice": (calibrated("1", "1.58", mechanism="noisy max", kind="selection"), "costs more than was charged"),
    "forgotten rows": (calibrated("1.0", "1.59", k=2), "more than its sensitivity"),
    "forgotten exchange": (calibrated("1.0", "1.59", neighbours="change-one"), "more than its sensitivity"),
    "forgotten exchange of a choice": (
        calibrated("1", "1.59", mechanism="noisy max", kind="selection", neighbours="change-one"),
        "more than its sensitivity",
    ),
    "one block for two": (calibrated("720720.0", "1139560", **VOTES), "more than its sensitivity"),
    "parts forgotten": (calibrated("1.5", "2.4", **VOTES), "more than its sensitivity"),
}

REST = {**money("f", "0"), "reservation": "r"}
DEFECTS = {
    "never closed": (dropped(OUTCOME), "neither an outcome nor an in_doubt"),
    "closed twice": (lambda s: s.entries.append(s.entries[s.find(OUTCOME)]), "is closed 2 times"),
    "value held back": (told(COMMIT, 1, held=True), "held back"),
    "never recorded": (dropped(INTENT), "without one intent recorded before"),
    "recorded after": (moved(INTENT, 18), "without one intent recorded before"),
    "outcome unsent": (dropped(SENDING), "does not belong to the one who sent it"),
    "stolen token": (told(OUTCOME, token="u"), "does not belong to the one"),
    "sent twice": (lambda s: s.entries.insert(18, s.entries[17]), "was sent 2 times"),
    "sent after it was closed": (moved(SENDING, 18), "goes on after it was closed"),
    "no checkpoint": (lambda s: s.checkpoints.remove(17), "no checkpoint signed over its intent"),
    "same attempt": (doubled_intent, "the same attempt has two intents"),
    "other bytes": (other_prompt, "rendered again from its segments it has other bytes"),
    "bare text": (bare_text, "unknown segment type"),
    "changed value": (with_value(DPValue(42, "r1", "e2", (1, 0))), "differs from the one released"),
    "other cell": (with_value(DPValue(41, "r1", "e2", (0, 1))), "differs from the one released"),
    "cell outside": (with_value(DPValue(41, "r1", "e2", (1, 2))), "differs from the one released"),
    "unknown release": (with_value(DPValue(41, "r2", "e2", (1, 0))), "was not measured before"),
    "another's value": (of_another_request, "a value of release r1, which is another request's"),
    "another's labels": (
        lambda s: (with_labels('["kilo", "lima", "another"]')(s), of_another_request(s)), "which is another request's",
    ),
    "unpaid value": (with_value(DPValue(41, "r1", "e3", (1, 0))), "no charge of release r1 paid for"),
    "label not found": (with_labels('["kilo", "lima", "mike"]'), "labels that key discovery did not let out"),
    "label too many": (with_labels('["kilo", "lima", "another", "x"]'), "labels that key discovery did not let out"),
    "labels no list": (with_labels("kilo"), "labels that are no list"),
    "labels of no release": (with_labels('["kilo", "lima", "another"]', "r2"), "was not measured before"),
    "prompt before release": (moved(MEASURED, 21), "was not measured before"),
    "another sentence": (with_value(FreeText('"mind the poor"', approved_with("hq"))), "is not the one submitted"),
    "sentence around JSON": (with_value(FreeText(SENTENCE[:-1], approved_with("hq"))), "is not the one submitted"),
    "sentence of another approval": (with_value(FreeText(SENTENCE, approved_with("hz"))), "names no approval"),
    "sentence never submitted": (told(SUBMITTED, what_if_sha256=None), "is not the one submitted"),
    "sentence before its gate": (moved(APPROVED, 21), "a free text that no gate had approved"),
    "sentence of another request": (told(STARTED, request="q9"), "a prompt of no submitted request"),
    "overspent": (told(CAP, rho="0.49999999999999999999"), "exceeds the population's cap"),
    "overspent delta": (told(COMMIT, delta="1e-30"), "exceeds the population's cap"),
    "over its reservation": (told(RESERVE, rho="0.4"), "takes more than reservation r still holds"),
    "drawn on nothing": (told(COMMIT, reservation="q"), "takes more than reservation q still holds"),
    "drawn after it was closed": (added(FORFEIT, REST, at=9), "takes more than reservation r still holds"),
    "reserved above the cap": (added(RESERVE, money("r2", "0.01")), "exceeds the population's cap"),
    "forfeit over": (added(FORFEIT, money("f", "0.1")), "exceeds the population's cap"),
    "no cap": (dropped(CAP), "before any cap was set"),
    "raised after it was declined": (raised_after("declined"), "whose proposal was declined or withdrawn"),
    "raised after it was withdrawn": (raised_after("withdrawn"), "whose proposal was declined or withdrawn"),
    "negative rho": (told(COMMIT, rho="-0.2"), "not below zero"),
    "float rho": (told(COMMIT, rho=0), "must be decimal strings"),
    "NaN rho": (told(COMMIT, rho="NaN"), "not below zero"),
    "charged late": (moved(COMMIT, 11, 1), "measurement e2 was not charged before"),
    "never charged": (dropped(COMMIT, 1), "measurement e2 was not charged before"),
    "charged once, used twice": (released_again, "pays for two releases"),
    "booked twice": (added(COMMIT, commit("e1", "0")), "booked twice"),
    "own request": (lambda s: s.entries.insert(4, vote("measure", "user:rita", "hq")), "a vote on one's own request"),
    "same voter": (lambda s: s.entries.insert(5, vote("measure", "user:sam", "hq")), "a second vote by the same"),
    "lent name": (told(VOTE, voter="user:uma"), "another person's name"),
    "one vote": (dropped(VOTE), "passed with 1 approvals"),
    "rejected": (rejected, "passed with 1 approvals"),
    "turned round": (turned_round, "a revealed vote is not the one that was cast"),
    "other salt": (lambda s: s.facts(REVEALED)["votes"][0].update(salt="11" * 32), "is not the one that was cast"),
    "never revealed": (dropped(REVEALED), "gate 'measure' of request q1 was passed with 0 approvals"),
    "half revealed": (lambda s: s.facts(REVEALED, 2)["votes"].pop(), "gate 'output' of request q1 was passed with 1"),
    "revealed twice": (lambda s: s.entries.append((REVEALED, "system", s.facts(REVEALED))), "is not the one that was"),
    "other content": (told(VOTE, nth=1, content_hash="other"), "passed with 1 approvals"),
    "reserved before votes": (moved(RESERVE, 4), "passed with 0 approvals"),
    "egress unapproved": (dropped(VOTE, 2), "gate 'egress' of request q1 was passed with 0"),
    "grant unapproved": (dropped(VOTE, 3), "gate 'output' of request q1 was passed with 1"),
    "ungranted": (dropped(GRANT), "a download nobody granted"),
    "other person": (told(SERVED, user="user:eve"), "by another person"),
    "nobody asked": (dropped("synthesis:request:submitted"), "which nobody submitted"),
    "charge of nobody's request": (told(COMMIT, request="q9"), "a commit for request q9, which nobody submitted"),
    "charge to no reservation": (lambda s: s.facts(COMMIT).pop("reservation"), "a charge to no reservation"),
    "charge before its gate": (moved(APPROVED, 9), "before gate 'measure' approved it"),
    "gate unnamed": (lambda s: s.facts(APPROVED).pop("gate"), "without the hash of what gate 'measure' approved"),
    "egress of nothing": (told(SYNTHESISING, content_hash=""), "without the hash of what gate 'egress' approved"),
    "released unseen": (added("synthesis:request:released", {"request": "q1"}), "what gate 'output' approved"),
    "run before egress": (moved(STARTED, 12), "a run starts before gate 'egress' approved"),
    "run of another request": (told(STARTED, request="q9"), "a run starts before gate 'egress' approved"),
    "prompt of no run": (dropped(STARTED), "a prompt of a run that did not say it started"),
    "dataset never registered": (dropped(REGISTERED), "whose dataset d1 nobody registered"),
    "request never created": (dropped(CREATED), "and no entry says of what dataset"),
    "created for no dataset": (lambda s: s.facts(CREATED).pop("dataset"), "and no entry says of what dataset"),
    "registered after the votes": (moved(REGISTERED, 27), "whose dataset d1 nobody registered"),
    "owner renamed": (owner_renamed, "a vote of the owner on a request for their own dataset"),
    "owner votes": (owner_votes, "a vote of the owner on a request for their own dataset"),
    "terms not accepted": (dropped(ACCEPTED), "under terms that its reader had not accepted"),
    "terms accepted late": (moved(ACCEPTED, 28), "under terms that its reader had not accepted"),
    "other terms": (told(SERVED, licence="2"), "under terms that its reader had not accepted"),
    "terms of another": (told(ACCEPTED, user="user:eve"), "terms accepted in another person's name"),
    "two texts of the terms": (second_text, "version 1 of the terms has two texts"),
    "file of no package": (told(SERVED, sha256="other"), "a file of no package"),
    "package never built": (dropped(BUILT), "was not built as it was approved"),
    "other package": (told(BUILT, sha256="other"), "was not built as it was approved"),
    "download after revocation": (ended_before_download(REVOKED), "after the release was revoked or recalled"),
    "download after recall": (ended_before_download(RECALLED), "after the release was revoked or recalled"),
    "erased by nobody": (lambda s: s.erased.add("i1-answer"), "is erased, and no entry says by whom"),
    "erased on paper": (erased_but(erased=set()), "says that body i1-answer is erased, which it is not"),
    "erased alone": (erased_told(proposed_by="user:tom"), "one person alone erased it"),
    "erased in another's name": (erased_told(confirmed_by="user:uma"), "confirmed in another's name"),
    "erasure unproposed": (erased_but(dropped(PROPOSED)), "an erasure nobody proposed before"),
    "another erasure proposed": (erased_but(told(PROPOSED, bodies=["i2-answer"])), "nobody proposed before"),
    "proposed by another": (erased_but(by_another), "proposed in another person's name"),
    "erased after it was withdrawn": (erased_but(withdrawn_before), "whose proposal had been withdrawn"),
    "withdrawn after it was erased": (erased_but(added(WITHDRAWN, TAKEN_BACK)), "an erasure that was carried out"),
    "withdrawn, never proposed": (added(WITHDRAWN, TAKEN_BACK), "withdraws an erasure nobody proposed before"),
    "withdrawn in part": (withdrawn_otherwise(bodies=[]), "withdraws other bodies, or another person's proposal"),
    "withdrawn for another": (withdrawn_otherwise(proposed_by="user:x"), "or another person's proposal"),
    "erased tables": (lambda s: erase(s, "tables"), "neither a prompt nor an answer"),
    "erased before it was": (erased_but(erasure_first), "of which no entry spoke before"),
    "body missing": (lambda s: s.bodies.pop("i1-answer"), "missing"),
    "body of no entry": (lambda s: s.bodies.update(stray=b"x"), "no entry speaks of it"),
    "body swapped": (lambda s: s.bodies.update({"i1-answer": b"other"}), "does not match the hash in the log"),
    **DISHONEST,
    "fact missing": (lambda s: s.facts(COMMIT).pop("scale"), "misses scale"),
    "fact malformed": (told(INTENT, prompt="x"), "malformed"),
}  # fmt: skip


def test_a_proposal_that_was_withdrawn_may_be_made_again_and_carried_out(tmp_path):
    story = whole()
    propose(story, "i1-answer", proposal="x0")
    story.entries.append((WITHDRAWN, "user:tom", {**TAKEN_BACK, "proposal": "x0"}))
    erase(story, "i1-answer")
    assert findings(story.write(tmp_path / "export")) == []


def test_found_labels_that_were_let_out_may_be_in_a_prompt(tmp_path):
    story = whole()
    with_labels('["kilo", "lima", "another"]')(story)
    assert findings(story.write(tmp_path / "export")) == []


def test_a_release_that_the_request_took_over_may_be_in_its_prompts(tmp_path):
    story = whole()
    of_another_request(story)
    taken = {"release": "r1", "population": "p1", "request": "q1", "version": "v1"}
    story.entries.insert(story.find(MEASURED) + 1, ("privacy:release:reused", "system", taken))
    story.checkpoints = [size + 1 for size in story.checkpoints]
    assert findings(story.write(tmp_path / "export")) == []


def test_a_changed_number_is_named_with_its_place_and_both_values(tmp_path):
    story = whole()
    with_value(DPValue(42, "r1", "e2", (1, 0)))(story)
    place = f"prompt of entry {story.find(INTENT)}, message 1, segment 2"
    told = f"dp values: {place}: a value that differs from the one released: 42, 41 was released"
    assert told in findings(story.write(tmp_path / "export"))


@pytest.mark.parametrize("name", DEFECTS)
def test_a_signed_export_with_a_planted_defect_fails_for_that_reason(tmp_path, name):
    plant, expected = DEFECTS[name]
    story = whole()
    plant(story)
    found = findings(story.write(tmp_path / "export"))
    assert any(expected in one for one in found), found


@pytest.mark.parametrize("name", HONEST)
def test_a_charge_that_is_calibrated_as_it_should_be_holds(tmp_path, name):
    story = whole()
    HONEST[name](story)
    assert findings(story.write(tmp_path / "export")) == []
