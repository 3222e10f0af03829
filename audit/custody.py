"""A site's keys in the hands of several custodians: any k of n together restore them, fewer learn nothing.

The key files are sealed in one bundle with a random key, and that key is split by Shamir's scheme
(pycryptodome). A wrong or missing share opens nothing, because the bundle's seal does not hold then.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit import canonical, durable, events, keys
from audit.errors import AuditError

TITLE = "llmsynthor-share/1"
BUNDLE = "keys.bundle"
LEFT_OUT = frozenset({"django.key"})
"""What every site makes for itself at its first start; sessions do not outlive a restored site."""
KEY_BYTES, NONCE_BYTES, MOST_SHARES = 16, 12, 255
_SHARE = re.compile(rf"{re.escape(TITLE)} ([0-9a-f]{{64}}) (\d{{1,3}}) (\d{{1,3}}) ([0-9a-f]{{32}}) ([0-9a-f]{{8}})")


@dataclass(frozen=True, slots=True)
class Share:
    """One custodian's line: which bundle, how many shares open it, the share's number and value."""

    bundle: str
    needed: int
    number: int
    value: bytes

    def text(self) -> str:
        line = f"{TITLE} {self.bundle} {self.needed} {self.number} {self.value.hex()}"
        return f"{line} {_check(line)}"

    @classmethod
    def parse(cls, text: str) -> Share:
        """Read a line as it was printed; AuditError names the rule, for a slip in copying too."""
        line = " ".join(text.split())
        found = _SHARE.fullmatch(line)
        if found is None:
            raise AuditError(f"a share reads: {TITLE}, bundle, shares needed, number, value, check")
        if _check(line.rpartition(" ")[0]) != found[5]:
            raise AuditError("a share was copied wrongly: its last word does not fit the others")
        return cls(found[1], int(found[2]), int(found[3]), bytes.fromhex(found[4]))


def split(folder: Path, *, needed: int, shares: int, by: str) -> list[str]:
    """Write the bundle and a file for each custodian into an empty or new folder; the names of the files within.

    Raises AuditError for numbers that make no sense or a folder in use, LogUnavailable when it cannot be logged.
    """
    if not 2 <= needed <= shares <= MOST_SHARES:
        raise AuditError(f"at least 2 shares are needed, of at most {MOST_SHARES}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(folder.iterdir()):
        raise AuditError("the folder for custody must be empty")
    files = _key_files()
    key, nonce = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(NONCE_BYTES)
    packed = canonical.dumps({name: data.hex() for name, data in files.items()})
    bundle = nonce + AESGCM(key).encrypt(nonce, packed, TITLE.encode())
    name = hashlib.sha256(bundle).hexdigest()
    facts = {"bundle": name, "files": sorted(files), "needed": needed, "shares": shares}
    events.append(action="audit:key:split", by=by, subject="log:key", facts=facts)
    durable.replace(folder / BUNDLE, bundle)
    for number, value in _scheme().split(needed, shares, key):
        durable.replace(folder / f"share-{number:03d}.txt", f"{Share(name, needed, number, value).text()}\n".encode())
    durable.sync(folder)
    return sorted(files)


def restore(bundle: bytes, given: Iterable[str], into: Path) -> list[str]:
    """Write the key files where none of them lies yet; their names. Raises AuditError, and writes nothing then."""
    files = _unsealed(bundle, _enough([Share.parse(text) for text in given], hashlib.sha256(bundle).hexdigest()))
    if taken := sorted(name for name in files if (into / name).exists()):
        raise AuditError(f"these key files are there already: {', '.join(taken)}")
    for name, data in files.items():
        (into / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        durable.write(into / name, data)
        (into / name).chmod(0o600)
    return sorted(files)


def _enough(shares: Sequence[Share], bundle: str) -> list[Share]:
    """As many different shares of this bundle as its key was split to need."""
    if any(share.bundle != bundle for share in shares):
        raise AuditError("a share belongs to another bundle")
    different = list({share.number: share for share in shares}.values())
    if not different or len(different) < different[0].needed:
        needed = different[0].needed if different else 2
        raise AuditError(f"{needed} different shares are needed, {len(different)} were given")
    return different[: different[0].needed]


def _unsealed(bundle: bytes, shares: Sequence[Share]) -> dict[str, bytes]:
    try:
        key = _scheme().combine([(share.number, share.value) for share in shares])
        packed = AESGCM(key).decrypt(bundle[:NONCE_BYTES], bundle[NONCE_BYTES:], TITLE.encode())
    except (InvalidTag, ValueError) as error:
        raise AuditError("these shares do not open this bundle") from error
    return {name: bytes.fromhex(data) for name, data in canonical.loads(packed).items()}


def _key_files() -> dict[str, bytes]:
    folder = keys.folder()
    found = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found if path.name not in LEFT_OUT}


def _check(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()[:8]


def _scheme() -> Any:
    try:
        from Crypto.Protocol.SecretSharing import Shamir  # nosec B413  # pycryptodome, which is kept up
    except ImportError as error:
        raise AuditError("splitting keys needs the package pycryptodome") from error
    return Shamir
