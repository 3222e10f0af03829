"""English texts of requests, runs, the door, the log and the desk that stand below the pages, found without marks.

Rooms below the pages never translate. Some of their modules hold little else than what people read; of these every text
of more than one word is taken, with ``{0}`` for each value in it. Single words and labels are read off their tables.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from audit import verify
from llmsynthor_site.catalogue.extracting import patterns
from llmsynthor_site.desk import exposure
from privacy import duo_advice, schema_uses
from synthesis import probe_words, rounds, selectors
from synthesis.forms import ErasureForm
from synthesis.views import comparisons, steps
from synthesis.workflow import REQUEST

MODULES = (
    "audit/erasure.py", "privacy/duo_advice.py", "synthesis/door.py", "synthesis/linting.py",
    "synthesis/probe_words.py",
    "synthesis/probing.py", "synthesis/reconciling.py", "synthesis/reusing.py", "synthesis/selectors.py",
    "synthesis/simulating.py", "synthesis/switches.py", "synthesis/transitions.py", "synthesis/what_if.py",
    "synthesis/wishes.py", "synthesis/views/downloads.py", "synthesis/views/endpoints.py",
    "synthesis/views/erasures.py", "llmsynthor_site/desk/duties.py",
)  # fmt: skip
"""Modules of sentences."""
WORDS = (
    "answer", "prompt", "system", "user", "From ({0})", "To ({0})", "Every action on", "One action", "sent",
    "recorded, never sent", "not probed yet", "no proposals", "1 valid proposal", "{0} valid proposals",
    "{0}, {1} rejected", "no difference is larger than its noise", "Why it is rejected",
    "Kept with your decision, and shown once the gate has decided.", "Accept the terms to go on.",
    "This is not the id of a request.", "This is not the id of a request or dataset.",
    "A template is named by its SHA-256: 64 characters from 0 to 9 and a to f.", "The last day is before the first.",
    "The last day comes before the first.", "checkpoints", "events waiting",
    "distinct synthetic records that occur in the data", "rows with a synthetic neighbour",
)  # fmt: skip
"""Words that a page puts together with others."""
FILTERS = (
    "action", "by", "subject", "mentions", "words", "since", "until", "zone", "dataset", "endpoint", "title",
    "population", "kind", "request",
)  # fmt: skip
"""Names of filters, as a page of an export tells them."""
FOR_MACHINES = ("SELECT", "PRAGMA", "VACUUM", "%s", "{}", "one.id", "text/html")


def of_sentences() -> Iterator[str]:
    """Every text of the modules and tables named here."""
    for name in MODULES:
        yield from of_module(Path(settings.BASE_DIR) / name)
    yield from (*WORDS, *FILTERS, exposure.PROBE, *verify.NOT_COVERED, *duo_advice.IN_WORDS.values())
    yield from (words for _, words in schema_uses.KNOWN.values())
    yield from (*rounds.LABELS.values(), *comparisons.VIEWS.values(), *(name for name, _ in selectors.STAGES))
    yield from (name for name, _ in probe_words.in_words(NOTHING_FOUND))
    yield from (*ErasureForm.LABELS.values(), *of_checks())
    yield from of_workflow()


def of_checks() -> Iterator[str]:
    """What a check of the log counts, by its name."""
    for path in sorted(Path(settings.BASE_DIR, "audit").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Subscript) and getattr(node.value, "attr", "") == "counts":
                yield from said_by(node.slice)


NOTHING_FOUND = dict.fromkeys(
    ("answers", "listed", "schema", "context", "fits", "cuts", "output", "limit", "temperature", "seed", "usage")
)


def of_workflow() -> Iterator[str]:
    """What the buttons of a request say, why one may not be pressed, and the pages on which a step is confirmed."""
    for row in REQUEST.transitions:
        if row.permission:
            yield from (row.label, row.denial)
    for step in steps.STEPS.values():
        yield from (step.question, step.consequence, step.verb, step.done)


def of_module(path: Path) -> Iterator[str]:
    """The texts of a module, its docstrings apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(part) for node in ast.walk(tree) for part in parts_of(node)}
    for node in ast.walk(tree):
        if id(node) not in inside:
            yield from (text for text in said_by(node) if for_people(text))


def parts_of(node: ast.AST) -> Iterator[ast.AST]:
    """What is no text of its own: docstrings, and the pieces of an f-string."""
    if isinstance(node, ast.JoinedStr):
        yield from (part for part in ast.walk(node) if part is not node)
    elif isinstance(node, ast.Expr):
        yield node.value


def said_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        yield from patterns(node)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def for_people(text: str) -> bool:
    return " " in text.strip() and not any(mark in text for mark in FOR_MACHINES)
