"""Bodies kept beside the log: encrypted at rest, tied to the log by a salted hash, and erasable.

The leaf holds HMAC-SHA256(salt, body). Without the salt nobody can test a guess of the body against the
log, so destroying ciphertext and salt erases the body while every proof over the log still holds.
"""

from __future__ import annotations

import secrets
import uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit import fixed, keys
from audit.commitments import commitment
from audit.errors import BodyBroken, BodyErased
from audit.models import Body


def sealed(data: bytes, *, kind: str) -> tuple[Body, str]:
    """An unsaved body and the hash that belongs into the log."""
    salt = secrets.token_bytes(32)
    return resealed(uuid.uuid4().hex, data, kind=kind, salt=salt), commitment(salt, data)


def resealed(name: str, data: bytes, *, kind: str, salt: bytes) -> Body:
    """An unsaved body of this name and salt, under the newest key."""
    nonce, (key_id, key) = secrets.token_bytes(12), list(keys.body_keys().items())[-1]
    cipher = AESGCM(key).encrypt(nonce, data, name.encode())
    return Body(id=name, kind=kind, key_id=key_id, nonce=nonce, salt=salt, cipher=cipher)


def opened(name: str, *, expected: str) -> bytes:
    """The body, checked against the hash in the log. Raises BodyErased or BodyBroken."""
    body = fixed.one(Body, "SELECT * FROM audit_body WHERE id = %s", name)
    if body is None:
        raise BodyBroken(f"body {name} is missing")
    data = decrypted(body)
    if commitment(bytes(body.salt), data) != expected:
        raise BodyBroken(f"body {name} does not match the hash in the log")
    return data


def seal_again(body: Body) -> None:
    """Seal a stored body with the newest key, in the caller's transaction; its salt and hash stay."""
    data = decrypted(body)
    body.nonce = secrets.token_bytes(12)
    body.key_id, key = list(keys.body_keys().items())[-1]
    body.cipher = AESGCM(key).encrypt(body.nonce, data, body.pk.encode())
    body.save(update_fields=["nonce", "key_id", "cipher"])


def decrypted(body: Body) -> bytes:
    if body.erased:
        raise BodyErased(f"body {body.pk} was erased")
    key = keys.body_keys().get(body.key_id)
    if key is None:
        raise BodyBroken(f"body {body.pk}: its key is not in the key file")
    try:
        return AESGCM(key).decrypt(bytes(body.nonce), bytes(body.cipher), body.pk.encode())
    except InvalidTag as error:
        raise BodyBroken(f"body {body.pk} was changed") from error
