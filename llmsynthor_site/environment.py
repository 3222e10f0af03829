"""What a site reads from its environment: each setting by its name, or from the file that NAME_FILE names.

A secret that lies in a file (a mounted one, say) is never in the environment that child processes inherit.
"""

from __future__ import annotations

from pathlib import Path

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
