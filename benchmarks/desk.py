"""How quickly the auditor's desk answers with a large log and many prompts.

    python -m benchmarks.desk [--entries 500000] [--prompts 20000]

Fills a site of its own in a temporary folder (another database with DATABASE_URL and LOG_DATABASE_URL, which must be
empty) with generated entries, bodies and figures, then times what each page asks for: the best of five, in
milliseconds. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

ACTIONS = [("privacy:ledger:commit", 60), ("audit:prompt:intent", 12), ("audit:prompt:sending", 12),
           ("audit:prompt:outcome", 12), ("synthesis:vote:cast", 3), ("synthesis:request:submitted", 1)]  # fmt: skip
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
RARE, OLD = "site:person:added", "request:00000000-0000-4000-8000-000000000001"
CELLS, MEASUREMENTS = 40, 200


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Time the auditor's desk.")
    parser.add_argument("--entries", type=int, default=500_000)
    parser.add_argument("--prompts", type=int, default=20_000)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmark-desk-") as folder:
        os.environ["SITE_DIR"] = folder
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsynthor_site.settings")
        print(json.dumps(measured(asked.entries, asked.prompts)))


def measured(entries: int, prompts: int) -> dict[str, Any]:
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    from audit import keys, log

    for alias in ("default", "log"):
        call_command("migrate", database=alias, verbosity=0)
    keys.make()
    fill_log(entries)
    log.checkpoint()
    fill_figures(prompts)
    for alias in ("default", "log"):
        with connections[alias].cursor() as cursor:
            cursor.execute("ANALYZE")
    print(json.dumps({"filled": entries}), flush=True)
    return {"entries": entries, "prompts": prompts, "database": connections["log"].vendor, **log_figures(entries),
            **statement_figures(prompts)}  # fmt: skip


def fill_log(number: int) -> None:
    """Entries as they would be after a few busy years; a few rare ones at the very beginning."""
    from audit.merkle import Frontier
    from audit.models import LogEntry, LogHead

    batch, tree = [], Frontier()
    for entry in generated(number):
        tree = tree.with_leaf(bytes(entry.leaf_hash))
        batch.append(entry)
        if len(batch) == 5000:
            LogEntry.objects.bulk_create(batch)
            batch = []
    LogEntry.objects.bulk_create(batch)
    LogHead.objects.update_or_create(id=1, defaults={"size": tree.size, "frontier": tree.packed()})


def generated(number: int) -> Iterator[Any]:
    from audit.leaves import Leaf, time_text
    from audit.merkle import leaf_hash
    from audit.models import LogEntry

    rng = random.Random(0)
    names, weights = zip(*ACTIONS, strict=True)
    requests = [uuid.UUID(int=rng.getrandbits(128)) for _ in range(max(1, number // 25))]
    for index in range(number):
        at = BEGIN + timedelta(minutes=index)
        action = RARE if index < 20 else rng.choices(names, weights)[0]
        request = f"request:{requests[rng.randrange(len(requests))]}"
        subject = OLD if index < 20 else request if "synthesis" in action else f"population:{rng.randrange(50)}"
        facts = {"request": f"{rng.getrandbits(128):032x}", "rho": "0.0123", "mechanism": "discrete gaussian",
                 "cliques": [{"columns": ["age", "income"], "bins": [list(range(10))]}], "note": "x" * 150}  # fmt: skip
        by = f"user:{index % 40}"
        leaf = Leaf(index, time_text(at), f"e{index}", action, by, subject, facts).to_bytes()
        yield LogEntry(index=index, leaf=leaf, leaf_hash=leaf_hash(leaf), event_id=f"e{index}", action=action, by=by,
                       subject=subject, at=at)  # fmt: skip


def fill_figures(number: int) -> None:
    from audit.models import PromptFigures, PromptRecord

    rng = random.Random(0)
    for start in range(0, number, 2000):
        rows = [
            PromptRecord(intent_id=f"{at:032x}", run=f"run-{at // 100}", sequence=at % 100, attempt=1,
                         endpoint=f"e{at % 3}", by="system", state="answered", body_id="b", map_id="m", deadline=BEGIN,
                         intent_index=at)
            for at in range(start, min(number, start + 2000))
        ]  # fmt: skip
        made = PromptRecord.objects.bulk_create(rows)
        PromptFigures.objects.bulk_create(
            PromptFigures(record=one, at=BEGIN + timedelta(minutes=one.intent_index or 0), total=4000, template=1500,
                          dpvalue=200, values=cells(rng), answer=2000)
            for one in made
        )  # fmt: skip


def cells(rng: random.Random) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for _ in range(CELLS):
        found.setdefault(str(rng.randrange(MEASUREMENTS)), []).append(f"{rng.randrange(30)},{rng.randrange(30)}")
    return found


def log_figures(number: int) -> dict[str, float]:
    from audit import entries, keys
    from audit.entries import Filters
    from audit.models import LogEntry
    from audit.notes import Checkpoint as Signed

    newest = entries.newest_checkpoint()
    if newest is None:
        raise RuntimeError("nothing was signed")
    signed, first = Signed.opened(bytes(newest.note), keys.public()), LogEntry.objects.get(index=5)
    month = Filters(since=BEGIN + timedelta(days=30), until=BEGIN + timedelta(days=60))
    return {
        "newest_ms": best(lambda: entries.step()),
        "oldest_ms": best(lambda: entries.step(before=60)),
        "common_action_ms": best(lambda: entries.step(Filters(action="privacy:ledger:commit"))),
        "rare_old_action_ms": best(lambda: entries.step(Filters(action=RARE))),
        "rare_old_subject_ms": best(lambda: entries.step(Filters(subject=OLD))),
        "person_ms": best(lambda: entries.step(Filters(by="user:7"))),
        "a_month_ms": best(lambda: entries.step(month)),
        "actions_ms": best(entries.actions),
        "common_words_ms": best(lambda: entries.step(Filters(words=("gaussian",)))),
        "absent_words_ms": best(lambda: entries.step(Filters(words=("nowhere-to-be-found",)))),
        "proof_ms": best(lambda: entries.inclusion(first, newest, signed)),
    }


def statement_figures(number: int) -> dict[str, float]:
    from llmsynthor_site.desk import exposure

    scope = exposure.Scope(endpoint="e1")
    return {
        "statement_ms": best(lambda: exposure.statement(exposure.Scope())),
        "statement_of_one_endpoint_ms": best(lambda: exposure.statement(scope)),
        "opening_one_body_ms": opening(),
    }


def opening() -> float:
    """What the figures of one prompt cost when they are worked out from its bodies."""
    from audit import figures, prompts
    from audit.segments import Declared, DPValue, Message, Prompt, Template

    told = tuple(DPValue(number, "r", "7", (number, 1)) for number in range(CELLS))
    asked = Message("user", (Template("t", "word " * 300), *told))
    prompt = Prompt(Declared("m", "endpoint"), Declared("{}", "settings"), None, (asked,))
    row = prompts.record_intent(run="measured", sequence=1, attempt=1, endpoint="e", prompt=prompt, by="system")
    return best(lambda: figures.of(row))


def best(work: Callable[[], Any]) -> float:
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return round(1000 * min(times), 1)


if __name__ == "__main__":
    main()
