"""A statement about files, signed so that tools of others read it: in-toto Statement v1 in a DSSE envelope.

What is signed is not the payload but its pre-authentication encoding, which holds type and length too: no text that
is signed for another use, such as a checkpoint, can pass for one. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from audit import canonical
from audit.notes import NoteError, PrivateKey, PublicKey, b64, unb64

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PACKAGE = "urn:llmsynthor:package:1"
"""The predicate of a package: its manifest, with every file but the envelope itself."""


def encoded(payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding of the payload."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def statement(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a package: the SHA-256 of each of its ``files`` (name, sha256), and the manifest itself."""
    subject = [{"name": file["name"], "digest": {"sha256": file["sha256"]}} for file in manifest["files"]]
    return {"_type": STATEMENT, "subject": subject, "predicateType": PACKAGE, "predicate": dict(manifest)}


def sealed(manifest: Mapping[str, Any], key: PrivateKey) -> bytes:
    """The envelope as a JSON text; Ed25519 gives the same bytes for the same manifest and key."""
    payload = json.dumps(statement(manifest), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    signature = {"keyid": key.public.id.hex(), "sig": b64(key.sign(encoded(payload)))}
    envelope = {"payload": b64(payload), "payloadType": PAYLOAD_TYPE, "signatures": [signature]}
    return json.dumps(envelope, indent=2).encode() + b"\n"


def opened(envelope: bytes, key: PublicKey) -> dict[str, Any]:
    """The manifest that ``key`` vouches for. NoteError where it does not, or where anything is malformed."""
    try:
        found = canonical.parse(envelope)
        payload = unb64(found["payload"])
        signatures = [unb64(one["sig"]) for one in found["signatures"] if one["keyid"] == key.id.hex()]
        if found["payloadType"] != PAYLOAD_TYPE or len(signatures) != 1:
            raise NoteError(f"it holds {len(signatures)} signatures by {key.name}, where one is needed")
        if not key.holds(signatures[0], encoded(payload)):
            raise NoteError(f"the signature by {key.name} does not hold")
        return _manifest(canonical.parse(payload, floats=True))
    except (KeyError, TypeError, AttributeError, canonical.CanonicalError) as error:
        raise NoteError("it is not a statement about a package") from error


def _manifest(told: Any) -> dict[str, Any]:
    manifest: dict[str, Any] = told["predicate"]
    if told != statement(manifest):
        raise NoteError("its subject and its manifest name different files")
    return manifest
