"""What a site reads from its environment: each setting by its name, or from the file that NAME_FILE names.

A secret that lies in a file (a mounted one, say) is never in the environment that child processes inherit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import environ
from environ.fileaware_mapping import FileAwareMapping

BASE_DIR = Path(__file__).resolve().parent.parent
environ.Env.read_env(BASE_DIR / ".env")


class Given(FileAwareMapping):
    def __getitem__(self, key: str) -> str:
        return str(super().__getitem__(key)).strip()  # editors end a file with a new line, and no secret does


class Env(environ.Env):
    ENVIRON = Given()


env = Env()
SITE_DIR = Path(env("SITE_DIR", default=str(BASE_DIR / "var" / "site"))).resolve()
PRODUCTION: bool = env.bool("PRODUCTION", default=False)
DEMO: bool = env.bool("DEMO", default=False)
DEBUG: bool = env.bool("DEBUG", default=False)
if PRODUCTION and (DEBUG or DEMO):
    raise environ.ImproperlyConfigured("PRODUCTION starts with neither DEBUG nor DEMO")


def data_engines() -> dict[str, dict[str, list[str]]]:
    """Owners' engines by name: for each owner's user name, patterns of the tables that they may have counted.

    An engine that is only named (``one,two``) is open to nobody. ImproperlyConfigured for anything else.
    """
    given = str(env("DATA_ENGINES", default="")).strip()
    if not given.startswith("{"):
        return {name.strip(): {} for name in given.split(",") if name.strip()}
    try:
        engines: dict[str, dict[str, list[str]]] = json.loads(given)
    except ValueError:
        engines = {"": {"": [""]}}
    if not all(lists_tables(owners) for owners in engines.values()):
        raise environ.ImproperlyConfigured('DATA_ENGINES is JSON: {"engine": {"owner": ["schema.table", "schema.*"]}}')
    return engines


def lists_tables(owners: Any) -> bool:
    """Whether these are owners with a list of names each; a text in a list's place would be a list of letters."""
    if not isinstance(owners, dict):
        return False
    listed = list(owners.values())
    return all(isinstance(one, list) and all(isinstance(name, str) and name for name in one) for one in listed)
