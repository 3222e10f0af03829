"""manage.py recount_prompts: work the figures of every prompt out again from its recorded bodies."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import figures
from audit.models import PromptFigures


class Command(BaseCommand):
    help = "Compare the figures behind the LLM exposure statement with the recorded prompts and answers."

    def handle(self, *args: Any, **options: Any) -> None:
        while figures.catch_up():
            pass
        wrong = 0
        for record, right in figures.differing():
            wrong += 1
            self.stderr.write(
                f"{record} (intent {record.intent_id}): its body holds {right.total} bytes, and other figures"
            )
        counted = PromptFigures.objects.filter(readable=True).count()
        gone = PromptFigures.objects.filter(readable=False).count()
        if wrong:
            raise CommandError(f"{wrong} of {counted} prompts have figures that are not those of their bodies")
        self.stdout.write(f"{counted} prompts counted again, all figures right; {gone} whose bodies were gone before")
