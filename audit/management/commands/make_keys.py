"""manage.py make_keys: the log's signing key and the key its bodies are sealed with."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from audit import keys


class Command(BaseCommand):
    help = "Make the log's keys where they are missing, and print the public key to hand to auditors."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(str(keys.make()))
