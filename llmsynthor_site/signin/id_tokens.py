"""A provider's ID token (OpenID Connect Core 1.0, 3.1.3.7), checked against the keys that the provider publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jwt

SKEW_SECONDS = 60
ALGORITHM = "RS256"  # what every provider must offer; 'none' and shared secrets are not taken
RULES: dict[type[jwt.InvalidTokenError], str] = {
    jwt.InvalidSignatureError: "the signature of the ID token does not hold",
    jwt.InvalidIssuerError: "the ID token is of another issuer",
    jwt.InvalidAudienceError: "the ID token is for another client",
    jwt.ExpiredSignatureError: "the ID token is over its time",
    jwt.MissingRequiredClaimError: "the ID token says too little",
    jwt.InvalidAlgorithmError: f"the ID token is not signed with {ALGORITHM}",
}
UNREADABLE = "the ID token is no signed token"


def checked(token: str, *, keys: Sequence[Mapping[str, Any]], issuer: str, audience: str) -> dict[str, Any]:
    """The claims of a token that was signed by one of ``keys`` (JWKs) for ``audience``; ValueError names the rule."""
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != ALGORITHM:
            raise jwt.InvalidAlgorithmError
        return jwt.decode(
            token, key_of(header, keys), algorithms=[ALGORITHM], issuer=issuer, audience=audience,
            leeway=SKEW_SECONDS, options={"require": ["exp", "iss", "aud", "sub"]},
        )  # fmt: skip
    except jwt.InvalidTokenError as problem:
        # The library's own words may quote the token.
        raise ValueError(
            next((rule for kind, rule in RULES.items() if isinstance(problem, kind)), UNREADABLE)
        ) from None


def key_of(header: Mapping[str, Any], keys: Sequence[Mapping[str, Any]]) -> jwt.PyJWK:
    fitting = [key for key in keys if key.get("kty") == "RSA" and key.get("kid") == header.get("kid")]
    if len(fitting) != 1:
        raise ValueError("the ID token names no key of its provider")
    return jwt.PyJWK.from_dict(dict(fitting[0]), algorithm=ALGORITHM)
