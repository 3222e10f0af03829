"""Which facts each action carries: one table, read by the writer, by the verifier and by the documentation.

Every fact is a string, an integer, a boolean, null, or a list or object of them; privacy quantities (rho,
delta, scale, sensitivity) are decimal strings. Listed facts must be present; an action may carry more.
An action that matches no row may carry any facts, except those no entry of the exact stage ever holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from audit.errors import UnfitEvent

ACTION = re.compile(r"[a-z]+:[a-z_]+:[a-z_]+")

FACTS: dict[str, tuple[str, ...]] = {
    "privacy:dataset:registered": ("dataset", "population", "declaration_hash"),
    "privacy:upload:accepted": ("dataset", "version"),
    "privacy:upload:refused": ("dataset",),
    "privacy:version:retention_set": ("dataset", "version", "day"),
    "privacy:version:destroyed": ("dataset", "version", "reason"),
    "privacy:vault:rotated": ("old_key", "new_key"),
    "privacy:vault:key_destroyed": ("old_key",),
    "privacy:ledger:cap_set": ("population", "rho", "delta"),
    "privacy:cap_raise:proposed": ("population", "proposal", "rho", "delta", "reason"),
    "privacy:ledger:cap_raise": ("population", "rho", "delta", "proposed_by", "confirmed_by"),
    "privacy:ledger_export:made": ("population", "reason", "format"),
    "privacy:ledger:reserve": ("population", "entry", "request", "rho", "delta"),
    # scale and sensitivity say how the noise was calibrated, so that audit.verify works rho out again; a table of
    # a tied clique also carries parts: both, and its counts, are in that many parts of a vote; a charge of kind
    # discovery also says its threshold
    "privacy:ledger:commit": (
        "population",
        "entry",
        "request",
        "rho",
        "delta",
        "kind",
        "mechanism",
        "cliques",
        "sensitivity",
        "scale",
        "unit",
        "library",
    ),
    "privacy:ledger:release_reserve": ("population", "entry", "request", "rho", "delta"),
    "privacy:ledger:forfeit": ("population", "entry", "request", "rho", "delta"),
    # measurements: the ledger entries (commits) that paid for what this release lets out. Attachment
    # "tables" (optional): canonical JSON {entry: {"shape": [...], "counts": [flat noisy integers]}}, with "parts" too
    # where counts are parts of a vote. Attachment
    # "keys" (where categories were unknown): {entry: {"column": name, "keys": [let out], "labels": [...]}}
    "privacy:release:measured": ("release", "population", "request", "measurements"),
    "privacy:release:reused": ("release", "population", "request", "version"),
    "privacy:release:failed": ("release", "population", "request"),
    "synthesis:request:submitted": ("request", "content_hash"),
    "synthesis:request:*": ("request",),
    "synthesis:reference:attached": ("reference", "dataset", "rows", "file_sha256", "components_sha256"),
    "synthesis:vote:cast": ("request", "gate", "decision", "content_hash", "voter"),
    "synthesis:run:*": ("request", "run"),
    "synthesis:package:built": ("request", "package", "sha256"),
    "synthesis:grant:issued": ("grant", "request", "user"),
    "synthesis:download:served": ("grant", "user", "sha256"),
    # prompt, map, answer: {"id", "hash"} of a body kept beside the log
    "audit:prompt:intent": ("intent", "run", "sequence", "attempt", "endpoint", "prompt", "map", "deadline"),
    "audit:prompt:sending": ("intent", "token", "deadline"),
    "audit:prompt:outcome": ("intent", "token", "sent", "answer", "error", "usage"),
    "audit:prompt:in_doubt": ("intent",),
    "audit:export:made": ("reason",),
    # an older log had been restored: how many entries it held, and how many there were again after an export of them
    "audit:log:reconciled": ("kept", "entries", "reason", "proposed_by", "confirmed_by"),
}

# Entries that carry the time of the entry before them: their own would tell how long the exact step before
# them took, which depends on the data.
UNTIMED = frozenset({"privacy:ledger:commit"})

# Nothing of the exact stage but its noisy releases may be told, not even how much there was of it.
_NEVER_OF_PRIVACY = frozenset({
    "rows", "row_count", "count", "counts", "records", "units", "n", "value", "values", "cell", "cells",
    "min", "max", "mean", "bytes", "size", "file_size", "length", "filename", "file_name", "path",
    "seconds", "milliseconds", "duration", "elapsed", "started", "finished", "problems",
})  # fmt: skip


def required(action: str) -> tuple[str, ...]:
    """The facts this action must carry; a row ending in * stands for every action it begins."""
    if action in FACTS:
        return FACTS[action]
    return FACTS.get(action.rpartition(":")[0] + ":*", ())


def check(action: str, facts: Mapping[str, Any]) -> None:
    """Raise UnfitEvent, naming the rule, if this event may not be written."""
    if not ACTION.fullmatch(action):
        raise UnfitEvent(f"action '{action}' does not read source:subject:action")
    if missing := [name for name in required(action) if name not in facts]:
        raise UnfitEvent(f"{action} misses: {', '.join(missing)}")
    if action.startswith("privacy:"):
        told = sorted(_NEVER_OF_PRIVACY.intersection(_names(facts)))
        if told:
            raise UnfitEvent(f"{action} may never carry: {', '.join(told)}")


def _names(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _names(inner)
