"""Log lines as JSON objects, without values.

Messages of this project's own code are written out: they are reviewed to hold none. Of other packages only the fixed
part of a message is kept, since what is filled in may be a path, a statement or a row. Of an exception its type and
where it was raised are kept, never its text.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

OWN = ("llmsynthor_site", "synthesis", "privacy", "audit", "tests")


class Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        own = record.name.partition(".")[0] in OWN
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage() if own else str(record.msg),
            "process": record.process,
        }
        match = getattr(getattr(record, "request", None), "resolver_match", None)
        if match is not None:
            told["view"] = match.view_name
        if record.exc_info and record.exc_info[0] is not None:
            told["exception"] = record.exc_info[0].__name__
            told["raised"] = [place(frame) for frame in traceback.extract_tb(record.exc_info[2])[-5:]]
        return json.dumps(told, ensure_ascii=False)


def place(frame: traceback.FrameSummary) -> str:
    return f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
