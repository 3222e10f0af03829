"""How cached values lie in Redis: as JSON, so that whoever can write there can hand this process no objects."""

from __future__ import annotations

import json
from typing import Any


class Json:
    def dumps(self, value: Any) -> bytes | int:
        return value if type(value) is int else json.dumps(value).encode()  # Redis counts whole numbers itself

    def loads(self, data: bytes) -> Any:
        return json.loads(data)
