"""Draft a declaration: from a codebook, or from a data file's header line and your answers. Reads no data.

The draft goes to standard output (or --out); what must still be declared goes to standard error.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from privacy import codebook
from privacy.problems import Problem


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--codebook", type=Path, help="CSV, XLSX, Table Schema or REDCap data dictionary")
        source.add_argument("--header-of", type=Path, help="a data file; its first line is read, and nothing below it")
        source.add_argument("--questions", action="store_true", help="show what --answers may hold")
        parser.add_argument("--answers", type=Path, help="JSON object of answers, for --header-of")
        parser.add_argument("--out", type=Path, help="where to write the draft")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["questions"]:
            for question in codebook.QUESTIONS:
                self.stdout.write(f"{question.name}: {question.text} (for example: {question.example})")
            return
        try:
            draft = self._draft(options)
        except codebook.CodebookRefused as refused:
            raise CommandError("\n".join(map(str, refused.problems))) from None
        except OSError:
            raise CommandError("a file cannot be read") from None
        if options["out"]:
            options["out"].write_text(draft.text, encoding="utf-8")
        else:
            self.stdout.write(draft.text)
        self._tell("Still to declare", draft.still_to_declare)
        self._tell("Assumed; please look", draft.notes)

    def _draft(self, options: dict[str, Any]) -> codebook.Draft:
        if options["codebook"]:
            return codebook.draft_from(options["codebook"].read_bytes())
        if options["header_of"] is None:
            raise CommandError("name a codebook, or a data file whose header to read")
        return codebook.propose(_answers(options["answers"]), codebook.header_line(options["header_of"]))

    def _tell(self, what: str, problems: tuple[Problem, ...]) -> None:
        self.stderr.write(f"{what}: {len(problems)}")
        for problem in problems:
            self.stderr.write(f"  {problem}")


def _answers(path: Path | None) -> codebook.Answers:
    if path is None:
        return codebook.Answers()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise CommandError("the answers must be a JSON object")
    return codebook.Answers.from_json(values)
