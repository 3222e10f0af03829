"""A request's prompts and table worked out again from what was recorded, and compared with it byte for byte.

Nothing is sent, and nothing but the rebuilt table is written where that is asked for: the answers are the recorded
ones, the numbers come from the loop itself.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from audit import recorded
from audit.canonical import CanonicalError
from audit.errors import AuditError
from audit.recorded import Attempt
from audit.rendering import from_map, render
from audit.segments import Prompt, Synthetic
from synthesis import costs, envelope, environment, packaging, replay_structure, selectors, stepping, supposing, tabling
from synthesis.comparing import MISSING, Difference, differences
from synthesis.gateway import NoAnswer, given_up
from synthesis.llm.recorded import RecordedProvider
from synthesis.loop import Loop, Scenario
from synthesis.models import Package, Run, SynthesisRequest
from synthesis.replay_evidence import ReleasedTables, inputs, values_of
from synthesis.states import EMBEDDED

GONE = "erased, not replayable"
WORKED_OUT, RUN = "iterations worked out again", "iterations that were run"
MOST_TOLD = 20
"""Differences told of one prompt; the rest are counted."""


class CannotReplay(Exception):
    """There is nothing to replay, or not with what is here; the message says why."""


class _Ended(Exception):
    """The record ends before the loop does: an answer was erased, or the run is not finished."""


@dataclass(slots=True)
class Replay:
    """What came out: counts, differences, prompts that cannot be replayed, and how the environment differs."""

    run: str
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    environment: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def made(self) -> bool:
        """Whether the loop was run again; it is not where the environment differs, unless asked for."""
        return WORKED_OUT in self.counts

    @property
    def whole(self) -> bool:
        """Whether nothing was left out: every iteration that was run worked out again, and nothing of it erased."""
        return not self.erased and self.counts[WORKED_OUT] >= self.counts[RUN]


def replay(request: SynthesisRequest, *, anyway: bool = False, out: Path | None = None) -> Replay:
    """Replay the request's run; the rebuilt table goes into the folder ``out``, if one is given.

    CannotReplay where it has none, or its release is not in the log as it was.
    """
    run = Run.objects.filter(request=request).first()
    if run is None or not run.settings:  # asked about its columns, and not yet begun
        raise CannotReplay("the request has no run yet")
    found = Replay(str(run.pk))
    try:
        with environment.one_thread():
            found.environment = changed(run)
            tables = ReleasedTables.of(str(request.release_key))
            found.differences += inputs(run, tables)
            _Again(run, tables, found, out).all(loop_too=anyway or not found.environment)
    except (AuditError, ValueError) as problem:
        raise CannotReplay(str(problem)) from problem
    return found


def changed(run: Run) -> list[str]:
    """How the environment differs from the one in the log; one that was never recorded is unknown."""
    leaf = recorded.started(str(run.pk))
    if leaf is None:
        return ["the run recorded no environment when it started"]
    return environment.differences(leaf.facts["environment"], environment.recorded())


class _Again:
    """One run, its recorded attempts by number, and the loop that is asked for them again."""

    def __init__(self, run: Run, tables: ReleasedTables, found: Replay, out: Path | None) -> None:
        self.run, self.tables, self.found, self.out = run, tables, found, out
        self.attempts: dict[int, list[Attempt]] = {}
        for attempt in recorded.attempts(str(run.pk)):
            self.attempts.setdefault(attempt.sequence, []).append(attempt)
        self.package = Package.objects.filter(run=run).first()
        self.asked: set[int] = set()

    def all(self, *, loop_too: bool) -> None:
        for attempt in self.every():
            self.rendered(attempt)
        self.question()
        if loop_too:
            self.loop()

    def question(self) -> None:
        """Step 0, which no loop asks: the declaration says what it should have held."""
        made = self.attempts.get(replay_structure.STEP, [])
        found = list(replay_structure.compared(self.run, made))
        self.found.differences += found
        self.found.counts["questions about columns worked out again"] += bool(made and not found)
        self.asked.add(replay_structure.STEP)

    def every(self) -> Iterator[Attempt]:
        return (attempt for number in sorted(self.attempts) for attempt in self.attempts[number])

    # Each prompt by itself: its bytes from its segments, its statistics from the release.

    def rendered(self, attempt: Attempt) -> None:
        self.found.counts["prompts"] += 1
        for problem in attempt.problems:
            self.differs(attempt, "a recorded body", "as it was logged", problem)
        if attempt.erased & {"prompt", "map"}:
            self.found.erased.append(f"prompt {attempt.name}: {GONE}")
        elif (prompt := self.segments(attempt)) is not None:
            self.same_bytes(attempt, prompt)
            self.same_statistics(attempt, prompt)
            self.within_envelope(attempt, prompt)

    def segments(self, attempt: Attempt) -> Prompt | None:
        """The recorded segments, or None where they are gone or broken."""
        try:
            return from_map(attempt.map) if attempt.map is not None else None
        except (TypeError, CanonicalError) as problem:  # UnfitSegment is a TypeError
            self.differs(attempt, "segments", "a segment map", str(problem))
            return None

    def same_bytes(self, attempt: Attempt, prompt: Prompt) -> None:
        again, sent = render(prompt), attempt.prompt or b""
        if again == sent:
            self.found.counts["prompts rendered again, byte for byte"] += 1
            return
        at = next((at for at, (one, other) in enumerate(zip(again, sent, strict=False)) if one != other), len(again))
        self.differs(attempt, f"byte {at}", _near(again, at), _near(sent, at))

    def same_statistics(self, attempt: Attempt, prompt: Prompt) -> None:
        for message, segment, value in values_of(prompt):
            problem = self.tables.problem(value, before=attempt.index)
            if problem is None:
                self.found.counts["DPVALUEs matched to release and charge"] += 1
                continue
            what, told = (f"DPVALUE, {problem[1]}", problem[0], str(value.value)), (attempt.name, message, segment)
            self.found.differences.append(Difference(self.found.run, *told, *what))

    def within_envelope(self, attempt: Attempt, prompt: Prompt) -> None:
        request, early = self.run.request, attempt.sequence == replay_structure.STEP
        manifest = request.snapshot["structure"] if early else request.manifest.body
        approved = {name: manifest[name] for name in ("endpoint", "model", "address", "local")}
        reason = envelope.outside(manifest, prompt, provider=approved, calls=0)
        gate = "A" if early else "B"
        self.found.counts[f"prompts within what gate {gate} approved"] += not reason
        if reason:
            self.differs(attempt, "a whole prompt", f"what gate {gate} approved", reason)

    # The run as a whole: the loop says what every prompt should have held.

    def loop(self) -> None:
        request = self.run.request
        loop = stepping.loop_of(request, self.run.settings)
        self.found.counts[RUN] = len({figures["number"] for figures in selectors.iterations(self.run)})
        self.found.counts[WORKED_OUT] = 0
        try:
            for _ in stepping.steps(loop, envelope.builder(request), stepping.Askers(self.ask, self.instead)):
                self.found.counts[WORKED_OUT] += 1
            supposed = supposing.suppose(loop, request, self.ask, number=self.found.counts[WORKED_OUT] + 1)
            self.table(loop, supposed.scenario if supposed else None)
        except _Ended as ended:
            self.found.notes.append(str(ended))
            return
        for attempt in self.every():
            if attempt.sequence not in self.asked:
                self.differs(attempt, "a whole prompt", "none: the loop asks nothing here", "a prompt")

    def ask(self, prompt: Prompt, number: int) -> bytes:
        """What the request's own provider answered then."""
        mine = self.run.request.manifest.body["endpoint"]
        before = (one for one in self.every() if 0 < one.sequence < number and one.endpoint == mine)
        earlier = [(one.sequence, one.answered) for one in before]
        if not self.by(mine, number) and (given_up(earlier) or self.by(EMBEDDED, number)):
            raise NoAnswer("the endpoint was not asked here")
        if not self.by(mine, number):
            self.affordable(prompt, number)
        return self.answer(prompt, number, mine)

    def affordable(self, prompt: Prompt, number: int) -> None:
        """Raise NoAnswer where a cap kept the run from asking: what was set aside before leaves too little."""
        earlier = [row for row in self.run.reservations.all() if row.sequence < number]
        try:
            costs.within_caps(self.run, prompt, earlier)
        except costs.CapReached as cap:
            raise NoAnswer(str(cap)) from cap

    def instead(self, prompt: Prompt, number: int) -> bytes:
        """What the embedded proposer answered in its place."""
        if not self.run.request.manifest.body.get("takeover"):
            raise NoAnswer("the embedded proposer does not take over")
        return self.answer(prompt, number, EMBEDDED)

    def by(self, endpoint: str, number: int) -> list[Attempt]:
        return [attempt for attempt in self.attempts.get(number, []) if attempt.endpoint == endpoint]

    def answer(self, prompt: Prompt, number: int, endpoint: str) -> bytes:
        """Compare what was recorded of this endpoint under this number, and answer as it was answered then."""
        self.asked.add(number)
        made = self.by(endpoint, number)
        for attempt in made:
            self.compare(prompt, attempt)
        if (found := self.repeated(prompt, made, number)) is not None:
            return found
        if number >= max(self.attempts, default=0) and self.package is None:
            raise _Ended(f"the run is not finished; its record ends at prompt {number}")
        if not made:
            missing = Difference(self.found.run, str(number), None, None, "a whole prompt", "a prompt", "none")
            self.found.differences.append(missing)
        raise NoAnswer("none was recorded")

    def repeated(self, prompt: Prompt, made: list[Attempt], number: int) -> bytes | None:
        """The recorded answer to this very prompt; where none is to it, the newest is what the run went on with."""
        answered = [attempt for attempt in made if attempt.answered]
        body = render(prompt)
        taken = next((one for one in answered if one.prompt == body), answered[-1] if answered else None)
        if taken is None:
            return None
        if taken.answer is None:
            self.lost(number)
        if taken.prompt != body:
            return taken.answer
        exchanges = ((one.prompt, one.answer) for one in answered if one.prompt is not None and one.answer is not None)
        return RecordedProvider.of(exchanges).complete(body).body

    def compare(self, expected: Prompt, attempt: Attempt) -> None:
        recorded_as = self.segments(attempt)
        if recorded_as is None:
            return
        found = list(differences(expected, recorded_as, run=self.found.run, prompt=attempt.name))
        self.found.differences += found[:MOST_TOLD]
        if len(found) > MOST_TOLD:
            self.found.notes.append(f"prompt {attempt.name}: {len(found) - MOST_TOLD} more differences")
        self.found.counts["prompts worked out again from the loop"] += not found
        values = sum(type(one) is Synthetic for message in recorded_as.messages for one in message.segments)
        wrong = sum(Synthetic.type in one.what for one in found)
        self.found.counts["SYNTHETIC values worked out again"] += max(values - wrong, 0)

    def lost(self, number: int) -> NoReturn:
        """Everything after an answer that is gone depends on it."""
        later = [f"prompt {attempt.name}" for attempt in self.every() if attempt.sequence > number]
        gone = [*later, "table"] if self.package is not None else later
        self.found.erased += [f"{each}: {GONE}: it depends on the answer to prompt {number}" for each in gone]
        raise _Ended(f"the answer to prompt {number} was erased")

    def table(self, loop: Loop, scenario: Scenario | None) -> None:
        """Draw and write the tables again; their files must be those of the package, bit for bit."""
        names = tabling.files_of(self.run.request, scenario)
        with tempfile.TemporaryDirectory(prefix="replay-") as folder:
            known = self.run.settings
            writer = tabling.writer(self.run.request, loop, scenario, settings=known, ask=self.ask, beat=lambda: None)
            writer.write(Path(folder))
            if self.package is None:
                return
            again = {name: packaging.sha256_of(Path(folder) / name) for name in names}
            self.keep(Path(folder), names)
        files = {file["name"]: file["sha256"] for file in self.package.manifest["files"]}
        second = [name for name in files if name in packaging.SUPPOSED]  # whether or not one was worked out again
        for name in dict.fromkeys((*names, *second)):
            now, then = again.get(name, MISSING), files.get(name, MISSING)
            if now == then:
                self.found.counts["files of the table rebuilt, bit for bit"] += 1
            else:
                what = f"SHA-256 of {name}"
                self.found.differences.append(Difference(self.found.run, "", None, None, what, now, then))

    def keep(self, folder: Path, names: tuple[str, ...]) -> None:
        if self.out is not None:
            self.out.mkdir(parents=True, exist_ok=True)
            for name in names:
                shutil.copy(folder / name, self.out / name)

    def differs(self, attempt: Attempt, what: str, expected: str, found: str) -> None:
        self.found.differences.append(Difference(self.found.run, attempt.name, None, None, what, expected, found))


def _near(text: bytes, at: int) -> str:
    return repr(text[at : at + 20].decode(errors="replace"))
