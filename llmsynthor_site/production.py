"""What a production site must not be, and no site half migrated. Web server and workers refuse to start while it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections

from audit import keys
from audit.errors import LogUnavailable
from llmsynthor_site import migrating

DUTIES = frozenset({"owner", "steward", "auditor", "admin"})
DEMO_DOMAIN = "@example.org"  # reserved: nobody has such an address, but for the people of a demonstration
DEMO_NAMES = ("olivia", "stella", "stefan", "rosa", "amir", "ada")


def problems() -> list[str]:
    """In words what keeps this site from starting in production, as far as its settings and folders tell."""
    if not settings.PRODUCTION:
        return []
    found = []
    if settings.DEBUG or settings.DEMO:
        found.append("DEBUG and DEMO are for one's own machine")
    if missing := sorted(DUTIES - set(settings.SECOND_FACTOR_ROLES)):
        found.append(f"SECOND_FACTOR_ROLES lacks {', '.join(missing)}: who holds them needs a second factor")
    site = Path(settings.SITE_DIR)
    if together(site / "keys" / "vault.key", site / "vault"):
        found.append(
            "the vault's private key lies on the device that holds the vault: mount keys/vault.key, or keys/, from "
            "another one, in the measuring worker alone"
        )
    return found + anchors(site) + package_key()


def anchors(site: Path) -> list[str]:
    """Why the log's anchors would not outlive a rollback of the database.

    Where a server keeps its files nobody can tell from here: the operator says that anchors/ lies elsewhere, and it may
    not lie beside the site's other files.
    """
    folder, mount = site / "anchors", "mount it from another one, to outlive a rollback"
    if any(together(folder, file) for file in database_files()):
        return [f"anchors/ lies on the database's device: {mount}"]
    if not served():
        return []
    found = []
    if not settings.ANCHORS_APART:
        found.append(
            "ANCHORS_APART is empty: name in it where anchors/ lies, once the database's server writes elsewhere"
        )
    if not folder.exists() or together(folder, site):
        found.append(f"anchors/ lies on the device of the site's folder: {mount}")
    return found


def package_key() -> list[str]:
    """What is wrong with the key that signs packages, where it lies here; only workers that synthesise need it."""
    try:
        keys.check_apart()
    except (LogUnavailable, OSError) as problem:
        return [f"the key of packages: {problem}"]
    return []


def served() -> bool:
    """Whether a database is on a server."""
    return any(not str(one["ENGINE"]).endswith("sqlite3") for one in settings.DATABASES.values())


def database_files() -> list[Path]:
    """Files of those databases that are files here."""
    configs = settings.DATABASES.values()
    return [Path(str(one["NAME"])) for one in configs if str(one["ENGINE"]).endswith("sqlite3")]


def together(one: Path, other: Path) -> bool:
    """Whether both exist, on one device. A link counts as what it leads to."""
    try:
        return one.stat().st_dev == other.stat().st_dev
    except FileNotFoundError:
        return False


def demo_accounts() -> list[str]:
    """User names of a demonstration that are open here; none where nobody can be yet, for want of the table.

    DatabaseError while the database cannot be asked.
    """
    model: Any = get_user_model()
    if model._meta.db_table not in connections["default"].introspection.table_names():
        return []
    addresses = [name + DEMO_DOMAIN for name in DEMO_NAMES]
    found = model.objects.filter(username__in=DEMO_NAMES, email__in=addresses, is_active=True)
    return list(found.order_by("username").values_list("username", flat=True))


def open_accounts() -> list[str]:
    """Why the people of this site keep it from starting; a database that does not answer could hold any."""
    try:
        names = demo_accounts()
    except DatabaseError:
        return ["the database cannot be asked whether accounts of a demonstration are open"]
    return [f"accounts of a demonstration are open ({', '.join(names)}): begin with a new site"] if names else []


def refuse() -> None:
    """ImproperlyConfigured, with every reason, where this site may not start: in production, or half migrated."""
    found = [*problems(), *open_accounts()] if settings.PRODUCTION else []
    if found:
        raise ImproperlyConfigured("refused to start in production: " + "; ".join(found))
    if found := half_migrated():
        raise ImproperlyConfigured("refused to start: " + "; ".join(found))


def half_migrated() -> list[str]:
    """What the databases lack. One that is away keeps nobody from starting: pages say so until it is back."""
    try:
        return migrating.problems()
    except DatabaseError:
        return []
