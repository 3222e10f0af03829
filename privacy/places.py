"""Where this room keeps its files in a site's folder. Knowing a place opens nothing: what lies there is sealed."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from privacy.texts import TEXTS


def vault_key() -> Path:
    """The private key of the measuring worker, which alone opens the vault."""
    return Path(settings.SITE_DIR) / "keys" / "vault.key"


def vault_public_key() -> Path:
    """What uploads are sealed to; all that the web process has."""
    return Path(settings.SITE_DIR) / "keys" / "vault.pub"


def fingerprint_key() -> Path:
    """Keys the fingerprints by which a file registered twice is recognised."""
    return Path(settings.SITE_DIR) / "keys" / "fingerprint.key"


def retired_key() -> Path:
    """The vault's private key before the last turn, until nothing is wrapped to it any more."""
    return Path(settings.SITE_DIR) / "keys" / "vault.retired.key"


def ledger_lock() -> Path:
    """Where those who write to the ledger of this site queue up."""
    return Path(settings.SITE_DIR) / "ledger"


def wrapped_keys() -> Path:
    """Where the versions' own keys lie, each wrapped to the vault's key."""
    return Path(settings.SITE_DIR) / "version-keys"


def wrapped_key(version: object) -> Path:
    return wrapped_keys() / f"{version}.key"


def check_keys() -> Path:
    """Where the keys of exact counts lie, as long as a gate may see them. Not among what a backup copies."""
    return Path(settings.SITE_DIR) / "check-keys"


def check_key(check: object) -> Path:
    return check_keys() / f"{check}.key"


def sealed(version: object) -> Path:
    """The sealed codes of one dataset version."""
    return Path(settings.SITE_DIR) / "vault" / f"{version}.sealed"


def sealed_texts(version: object) -> Path:
    """The sealed texts of its columns that wait for key discovery; there is none where no column does."""
    return sealed(version).with_suffix(TEXTS)


def discard(version: object) -> None:
    """Remove everything that is kept of one dataset version."""
    for path in (sealed(version), sealed_texts(version), wrapped_key(version)):
        path.unlink(missing_ok=True)
