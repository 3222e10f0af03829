"""Compile every template, so that a typing mistake on a rarely seen page is found before anyone sees it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template import TemplateSyntaxError
from django.template.loader import get_template


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        folder = settings.BASE_DIR / "templates"
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        broken = [f"{name}: {problem}" for name in names if (problem := problem_of(name))]
        if broken:
            raise CommandError("\n".join(broken))
        self.stdout.write(f"{len(names)} templates compile.")


def problem_of(name: str) -> str:
    try:
        get_template(name)
    except TemplateSyntaxError as error:
        return str(error)
    return ""
