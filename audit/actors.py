"""How the log names who did something."""

from __future__ import annotations

from typing import Any

SYSTEM = "system"
"""The appliance itself, acting on what people decided."""


def actor(by: Any) -> str:
    """'system', 'console' or another plain name as it is; a person as 'user:' and their user name."""
    return by if isinstance(by, str) else f"user:{by.get_username()}"
