"""The hashes that tie a body, or a vote that is still blind, to the log; and where entries speak of bodies."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any


def commitment(salt: bytes, data: bytes) -> str:
    """HMAC-SHA256 of the body under its salt, in hexadecimal."""
    return hmac.new(salt, data, hashlib.sha256).hexdigest()


def vote_commitment(salt: str, decision: str) -> str:
    """What the log holds of a vote until its gate has decided; ``salt``: 64 hexadecimal digits, drawn for it alone."""
    return commitment(bytes.fromhex(salt), decision.encode())


def body_references(facts: Mapping[str, Any]) -> dict[str, str]:
    """The bodies an entry speaks of, id to hash: every fact of exactly the form {"id", "hash"}."""
    found = [fact for fact in facts.values() if isinstance(fact, dict) and set(fact) == {"id", "hash"}]
    return {fact["id"]: fact["hash"] for fact in found if all(isinstance(part, str) for part in fact.values())}
