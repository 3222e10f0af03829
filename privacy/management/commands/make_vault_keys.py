"""manage.py make_vault_keys: the pair that uploads are sealed to and opened with."""

from __future__ import annotations

import secrets
from typing import Any

from django.core.management.base import BaseCommand

from privacy import places, sealing


class Command(BaseCommand):
    help = "Make the vault's keys where they are missing. Only the measuring worker may hold vault.key."

    def handle(self, *args: Any, **options: Any) -> None:
        sealing.make_keys(places.vault_key(), places.vault_public_key())
        if not places.fingerprint_key().exists():
            sealing.write_new(places.fingerprint_key(), secrets.token_hex(32), mode=0o600)
        self.stdout.write(str(places.vault_public_key()))
