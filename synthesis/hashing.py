"""The hash that votes bind to."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def hash_of(content: Any) -> str:
    """SHA-256 of plain JSON, independent of the order of keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
