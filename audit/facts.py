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
    # source (of a table that stays in its engine): names of engine and table, and the SHA-256 of its columns' types
    "privacy:upload:accepted": ("dataset", "version"),
    "privacy:source:asked": ("dataset",),
    "privacy:upload:refused": ("dataset",),
    "privacy:version:retention_set": ("dataset", "version", "day"),
    "privacy:version:destroyed": ("dataset", "version", "reason"),
    "privacy:vault:rotated": ("old_key", "new_key"),
    "privacy:vault:key_destroyed": ("old_key",),
    "privacy:ledger:cap_set": ("population", "rho", "delta"),
    "privacy:cap_raise:proposed": ("population", "proposal", "rho", "delta", "reason"),
    "privacy:cap_raise:declined": ("population", "proposal", "reason"),
    "privacy:cap_raise:withdrawn": ("population", "proposal", "reason"),
    "privacy:ledger:cap_raise": ("population", "rho", "delta", "proposed_by", "confirmed_by"),
    # organisations: the only ones whose researchers may ask for it; an empty list: every researcher
    "privacy:audience:set": ("dataset", "organisations"),
    # text_sha256: of the words an owner signed, so that one steward decides on requests submitted from then on
    "privacy:waiver:signed": ("waiver", "dataset", "text_version", "text_sha256", "reason"),
    "privacy:waiver:ended": ("waiver", "dataset", "reason"),
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
    "privacy:release:opened": ("release", "request"),
    "privacy:release:reused": ("release", "population", "request", "version"),
    "privacy:release:failed": ("release", "population", "request"),
    # a synthetic table compared with the rows behind a release; table: SHA-256 of its distinct records, exact: without
    # noise, for the stewards of gate C and auditors alone, and destroyed with its decision. measurements: the commits
    # that paid.
    # Attachment "compared" (of a charged one): canonical JSON [{"question", "count" (noised), "measurement"}]
    "privacy:check:opened": ("check", "release", "population", "request", "table", "radius", "exact"),
    "privacy:check:measured": ("check", "release", "population", "request", "measurements", "exact"),
    "privacy:check:failed": ("check", "release", "population", "request"),
    "privacy:check:destroyed": ("check", "release", "population", "request", "reason"),
    # with a what-if sentence also what_if_sha256, of the sentence as a JSON string, as it stands in prompts; with words
    # on the table, for the question about its columns, also about_sha256; with a check of the finished table against
    # the rows also disclosure: charged, or stewards
    "synthesis:request:submitted": ("request", "content_hash"),
    # one rule that a model suggested: its number, the hash of its text, and whether it was accepted
    "synthesis:request:rule_decided": ("request", "rule", "rule_sha256", "decision"),
    "synthesis:request:*": ("request",),
    "synthesis:reference:attached": ("reference", "dataset", "rows", "file_sha256", "components_sha256"),
    # decision_hash: HMAC-SHA256 of the decision under the vote's own salt. The gate's decision is preceded by an entry
    # with votes: [{"voter", "decision", "salt"}]; votes at a gate that never decided stay hashed
    "synthesis:vote:cast": ("request", "gate", "decision_hash", "content_hash", "voter"),
    "synthesis:votes:revealed": ("request", "gate", "content_hash", "votes"),
    "synthesis:kill_switch:set": ("switch", "target", "reason"),
    "synthesis:kill_switch:lifted": ("switch", "target", "reason"),
    "synthesis:finding:opened": ("kind", "subject", "detail"),
    "synthesis:finding:closed": ("kind", "subject", "reason"),
    # environment: what the loop's numbers depend on beside its inputs (synthesis/environment.py)
    "synthesis:run:started": ("request", "run", "environment"),
    # Around the question about a table's columns, step 0 of a run: what gate A approved of it, and what came of it
    "synthesis:run:structuring": ("request", "run", "content_hash", "prompt_sha256"),
    "synthesis:run:structured": (
        "request",
        "run",
        "calls",
        "hints",
        "hints_sha256",
        "rules",
        "rules_sha256",
        "problem",
    ),
    # sha256: of the package's manifest.json, which gate C approves; files: the SHA-256 of every other file by name;
    # disclosure: how its table was compared with the rows (none, charged, stewards); end_to_end: what it claims
    "synthesis:package:built": ("request", "package", "sha256", "files"),
    "synthesis:grant:issued": ("grant", "request", "user"),
    "synthesis:grant:renewed": ("grant", "request", "user", "expires", "renewal"),
    # licence: the version of the terms; licence_sha256: of their text
    "synthesis:licence:accepted": ("grant", "user", "licence", "licence_sha256"),
    "synthesis:download:served": ("grant", "user", "sha256", "licence"),
    "synthesis:endpoint:added": ("endpoint", "address", "model", "local"),
    # a rehearsal of the submitted plan on rows invented from the declaration; content_hash is that snapshot's
    "synthesis:simulation:asked": ("request", "content_hash"),
    # A probe's prompts, between these two, name the probe as their run; they hold fixed wording alone
    "synthesis:endpoint:probing": ("probe", "endpoint", "address", "model"),
    "synthesis:endpoint:probed": ("probe", "endpoint", "calls", "problem", "found"),
    "site:person:added": ("user",),
    # granted: by the console alone, or proposed_by one person and confirmed_by another
    "site:role:granted": ("user", "role"),
    "site:role:taken_away": ("user", "role", "reason"),
    "site:organisation:added": ("organisation", "name"),
    "site:membership:begun": ("user", "organisation", "proposed_by", "confirmed_by"),
    "site:membership:ended": ("user", "organisation", "reason"),
    "site:people_change:proposed": ("proposal", "kind", "user", "role", "reason"),
    "site:people_change:declined": ("proposal", "user"),
    "site:password:reset": ("user", "proposal", "proposed_by", "confirmed_by", "suspended_until"),
    "site:password:chosen": ("user",),
    # what a person sets up or ends for their own sign-in, and what two people end for them
    "site:second_factor:added": ("user", "type"),
    "site:second_factor:removed": ("user", "type"),
    "site:second_factor:reset": ("user", "proposal", "proposed_by", "confirmed_by", "suspended_until"),
    "site:sign_in:linked": ("user", "provider"),
    "site:sign_in:unlinked": ("user", "provider"),
    # what a sign-in provider's groups suggest; it gives nobody a role
    "site:role:suggested": ("user", "provider", "roles"),
    # scopes: what a token covers, at most until the day expires; its secret is in no log and no database
    "site:token:made": ("token", "user", "scopes", "expires"),
    "site:token:revoked": ("token", "user"),
    "site:webhook:added": ("webhook", "user", "host"),
    "site:webhook:ended": ("webhook", "user", "host"),
    # before each try; a delivery tells one person one of their own notices
    "site:webhook:sending": ("webhook", "delivery", "host", "try"),
    # prompt, map, answer: {"id", "hash"} of a body kept beside the log
    "audit:prompt:intent": ("intent", "run", "sequence", "attempt", "endpoint", "prompt", "map", "deadline"),
    "audit:prompt:sending": ("intent", "token", "deadline"),
    "audit:prompt:outcome": ("intent", "token", "sent", "answer", "error", "usage"),
    "audit:prompt:in_doubt": ("intent",),
    # bodies: the ids of the bodies one person proposes to destroy
    "audit:body:erasure_proposed": ("proposal", "bodies", "reason"),
    # by the one who proposed it or another steward, before anybody confirmed; nothing was destroyed
    "audit:body:erasure_withdrawn": ("proposal", "bodies", "proposed_by"),
    "audit:body:erased": ("proposal", "body", "kind", "reason", "proposed_by", "confirmed_by"),
    "audit:export:made": ("reason",),
    "audit:evidence:made": ("evidence", "scope", "about", "reason"),
    # keys as they are written in log.pub; a fingerprint where the key is secret
    "audit:key:rotated": ("old_key", "new_key"),
    "audit:key:body_rotated": ("old_key", "new_key"),
    "audit:key:resealed": ("key", "bodies"),
    "audit:key:packages": ("old_key", "new_key"),
    "audit:key:split": ("bundle", "files", "needed", "shares"),
    # once when a witness begins to fail, once when it answers again
    "audit:witness:failed": ("witness", "problem"),
    "audit:witness:answered": ("witness",),
    # parts of what the desk shows, taken as files; size is how many entries the log had
    "audit:list_export:made": ("reason", "format", "filters", "size"),
    "audit:statement_export:made": ("reason", "format", "filters", "size"),
    # an older database of the site had been restored: events of the log it did not know, their actions with how many
    # of each, the ledger lines that were entered again, and the populations whose lines could not be
    "audit:site:reconciled": ("forgotten", "actions", "lines", "populations", "reason", "proposed_by", "confirmed_by"),
    # an older log had been restored: how many entries it held, and how many there were again after an export of them
    "audit:log:reconciled": ("kept", "entries", "reason", "proposed_by", "confirmed_by"),
}

# What is kept encrypted beside an entry, by action and fact: the fact itself holds the body's id and salted hash.
ATTACHMENTS: dict[str, dict[str, str]] = {
    "privacy:release:measured": {
        "tables": "every released table with its noise, by the charge that paid for it",
        "keys": "the categories that key discovery let out, and the labels of their column since",
    },
    "privacy:check:measured": {
        "compared": "the noised counts of a charged check, each with the charge that paid for it",
    },
    "audit:prompt:intent": {
        "prompt": "the exact bytes that may be sent",
        "map": "the segments they were rendered from, each with its type and source",
    },
    "audit:prompt:outcome": {"answer": "the exact bytes that came back"},
}
ERASABLE = ("prompt", "map", "answer")
"""What of it two people may destroy. Released tables stay: they say what the privacy loss was spent on."""

NOT_LOGGED = (
    "rows of the data, exact counts and anything computed from them without noise; for uploads and measurements not "
    "even their sizes or durations",
    "texts people write: of a submitted request, of its what-if sentence, of a comment it was returned with and of a "
    "reason for stopping or revoking it the log holds a SHA-256, of comments on votes nothing; the texts are in the "
    "site's database. Reasons for exports, raised caps and erasures stand in the log in full",
    "prompts and answers themselves: the log holds salted hashes of them, and their bytes are attachments",
    "the synthetic table: the log holds the SHA-256 of its files",
    "who looked at which page, who signed in, and who failed to: the log tells of changes and of what left",
    "times finer than a second",
    "what the operating system, the database and whoever administers them do beside the appliance",
)

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
