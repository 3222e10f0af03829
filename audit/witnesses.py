"""Which witnesses a site has, read from the setting WITNESSES: a name for each, and how it is reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from django.conf import settings

from audit.cosignatures import WitnessKey
from audit.errors import AuditError
from audit.notes import NoteError

Kind = Literal["cosigner", "folder", "mail", "timestamp"]
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_KINDS: Mapping[str, tuple[Kind, frozenset[str]]] = {
    "url": ("cosigner", frozenset({"url", "key"})),
    "folder": ("folder", frozenset({"folder"})),
    "mail": ("mail", frozenset({"mail"})),
    "timestamp": ("timestamp", frozenset({"timestamp", "ca"})),
}


@dataclass(frozen=True, slots=True)
class Witness:
    """One witness. ``target``: address of a service, a folder, or an e-mail address; ``every``: seconds."""

    name: str
    kind: Kind
    target: str
    key: WitnessKey | None = None
    authority: Path | None = None
    every: int = 0


def configured() -> list[Witness]:
    """Every witness of this site. Raises AuditError, naming the witness and the rule."""
    if not isinstance(settings.WITNESSES, dict):
        raise AuditError("WITNESSES is a JSON object: a name for each witness, and how it is reached")
    return [_witness(name, told) for name, told in settings.WITNESSES.items()]


def _witness(name: str, told: Any) -> Witness:
    if not _NAME.fullmatch(name):
        raise AuditError(f"witness '{name}': a name has at most 40 lower-case letters, digits and hyphens")
    if not isinstance(told, dict) or len(found := _KINDS.keys() & told.keys()) != 1:
        raise AuditError(f"witness '{name}' is reached by one of: {', '.join(_KINDS)}")
    kind, needed = _KINDS[named := found.pop()]
    every = told.get("every", 0)
    texts = all(isinstance(told.get(one), str) and told[one] for one in needed)
    if not texts or told.keys() - needed - {"every"} or type(every) is not int or every < 0:
        raise AuditError(f"witness '{name}' has {', '.join(sorted(needed))}, and may have every (seconds)")
    return Witness(name, kind, _address(name, kind, told[named]), _key(name, told), _authority(name, told), every)


def _address(name: str, kind: Kind, given: str) -> str:
    if kind in ("cosigner", "timestamp") and not given.startswith(("http://", "https://")):
        raise AuditError(f"witness '{name}': its address begins with http:// or https://")
    return given.rstrip("/") if kind == "cosigner" else given


def _key(name: str, told: Mapping[str, str]) -> WitnessKey | None:
    try:
        return WitnessKey.parse(told["key"]) if "key" in told else None
    except NoteError as error:
        raise AuditError(f"witness '{name}': {error}") from error


def _authority(name: str, told: Mapping[str, str]) -> Path | None:
    if "ca" not in told:
        return None
    if not Path(told["ca"]).is_file():
        raise AuditError(f"witness '{name}': its ca is no file")
    return Path(told["ca"])
