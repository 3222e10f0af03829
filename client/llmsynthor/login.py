"""The site and the token somebody logged in with, in a file that they alone may read."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

HERE = ("localhost", "127.0.0.1", "::1")


class LoginError(Exception):
    """There is no login, or one that may not be used."""


@dataclass(frozen=True)
class Login:
    site: str
    token: str = field(repr=False)


def place() -> Path:
    folder = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(folder) / "llmsynthor" / "login.json"


def checked(site: str) -> str:
    """The address without a slash at its end. LoginError unless a token may be sent there."""
    parts = urlsplit(site)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE):
        return site.rstrip("/")
    raise LoginError("a site's address begins with https:// (http:// for this machine alone)")


def keep(login: Login) -> Path:
    """Written with mode 0600 from the first byte on, and put in place as a whole."""
    path = place()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({"site": checked(login.site), "token": login.token}, file)
    new.replace(path)
    return path


def kept() -> Login:
    """The login of the environment, else of the file. LoginError with what to do about it."""
    site, token = os.environ.get("LLMSYNTHOR_SITE"), os.environ.get("LLMSYNTHOR_TOKEN")
    if site and token:
        return Login(checked(site), token)
    path = place()
    if not path.is_file():
        raise LoginError("you are not logged in: llmsynthor login --site https://...")
    if path.stat().st_mode & 0o077:
        raise LoginError(f"others may read {path}: chmod 600 it, and revoke the token if they may have")
    found = json.loads(path.read_text())
    return Login(checked(found["site"]), found["token"])


def forget() -> None:
    place().unlink(missing_ok=True)
