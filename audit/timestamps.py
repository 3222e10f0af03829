"""RFC 3161 timestamps of checkpoints, through rfc3161-client where it is installed. Pure.

What is stamped is a checkpoint's text without its signatures: origin, size and root, at a time that an
authority unconnected with the site vouches for.
"""

from __future__ import annotations

from datetime import datetime
from importlib.util import find_spec
from typing import Any

from cryptography import x509

HASH, QUERY = "SHA256", "application/timestamp-query"


class TimestampError(ValueError):
    """A timestamp that is malformed, of something else, or not from the authority one trusts."""


def available() -> bool:
    """Whether timestamps can be asked for and checked here."""
    return find_spec("rfc3161_client") is not None


def request(text: bytes) -> tuple[bytes, int | None]:
    """The bytes to send to an authority, and the nonce that its answer must carry."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    made = TimestampRequestBuilder().data(text).hash_algorithm(HashAlgorithm.SHA256).build()
    return made.as_bytes(), made.nonce


def verified(response: bytes, text: bytes, authority: bytes, nonce: int | None = None) -> datetime:
    """When ``text`` was stamped, the stamp checked against the authority's certificates (PEM). TimestampError."""
    from rfc3161_client import VerificationError, decode_timestamp_response

    try:
        found = decode_timestamp_response(response)
        _verifier(authority, nonce).verify_message(found, text)
    except (ValueError, VerificationError) as error:
        raise TimestampError(f"the timestamp does not hold: {error}") from error
    moment: datetime = found.tst_info.gen_time
    return moment


def _verifier(authority: bytes, nonce: int | None) -> Any:
    from rfc3161_client import VerifierBuilder

    builder = VerifierBuilder() if nonce is None else VerifierBuilder(nonce=nonce)
    for certificate in x509.load_pem_x509_certificates(authority):
        root = certificate.issuer == certificate.subject
        add = builder.add_root_certificate if root else builder.add_intermediate_certificate
        builder = add(certificate)
    return builder.build()
