"""A provider's ID token (OpenID Connect Core 1.0, 3.1.3.7), checked against the keys that the provider publishes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

SKEW_SECONDS = 60
ALGORITHM = "RS256"  # what every provider must offer; 'none' and shared secrets are not taken


def checked(token: str, *, keys: Sequence[Mapping[str, Any]], issuer: str, audience: str) -> dict[str, Any]:
    """The claims of a token that was signed by one of ``keys`` (JWKs) for ``audience``; ValueError names the rule."""
    try:
        head, body, signature = token.split(".")
        header, claims = json.loads(raw(head)), json.loads(raw(body))
    except (ValueError, UnicodeDecodeError):
        raise ValueError("the ID token is no signed token") from None
    if not isinstance(header, dict) or not isinstance(claims, dict) or header.get("alg") != ALGORITHM:
        raise ValueError(f"the ID token is not signed with {ALGORITHM}")
    check_signature(f"{head}.{body}".encode(), raw(signature), key_of(header, keys))
    check_claims(claims, issuer, audience)
    return claims


def key_of(header: Mapping[str, Any], keys: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    fitting = [key for key in keys if key.get("kty") == "RSA" and key.get("kid") == header.get("kid")]
    if len(fitting) != 1:
        raise ValueError("the ID token names no key of its provider")
    return fitting[0]


def check_signature(signed: bytes, signature: bytes, key: Mapping[str, Any]) -> None:
    modulus, exponent = (int.from_bytes(raw(key[name]), "big") for name in ("n", "e"))
    try:
        RSAPublicNumbers(exponent, modulus).public_key().verify(signature, signed, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        raise ValueError("the signature of the ID token does not hold") from None


def check_claims(claims: Mapping[str, Any], issuer: str, audience: str) -> None:
    told = claims.get("aud")
    if claims.get("iss") != issuer:
        raise ValueError("the ID token is of another issuer")
    if audience not in (told if isinstance(told, list) else [told]):
        raise ValueError("the ID token is for another client")
    if not isinstance(claims.get("exp"), int | float) or claims["exp"] < time.time() - SKEW_SECONDS:
        raise ValueError("the ID token is over its time")


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
