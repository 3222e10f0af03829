"""Leaks that the comparison of tests.noninterference must see: each planted alone, in the process of the story."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

LEAKS = (
    "row count in a page", "exact count in the log", "value in an error", "domain from the data",
    "exact count in a prompt", "exact total in the package", "duration in the log", "digest of the data in the log",
    "keys from the data",
)  # fmt: skip


def plant(leak: str, table: bytes) -> None:  # noqa: C901  (one branch a defect)
    """One defect at a time, each of a kind that has happened somewhere."""
    from audit import events
    from privacy import measuring, selectors
    from privacy.dp import execution, opendp_door
    from synthesis import packaging

    rows = table.count(b"\n")
    told = events.append

    def also(**facts: Any) -> None:
        honest = measuring._finish

        def finish(release: Any, tables: Any) -> None:
            told(action="planted:leak:told", by="system", subject="x", facts=facts)
            honest(release, tables)

        measuring._finish = finish

    if leak == "row count in a page":
        honest_title = selectors.unit_in_words
        selectors.unit_in_words = lambda of: f"{honest_title(of)}, {of.versions.last().rows_kept} rows"
        selectors.Schema.unit_in_words = property(lambda schema: f"{rows} rows")
    elif leak == "exact count in the log":
        also(told=str(rows - 1))
    elif leak == "digest of the data in the log":
        also(told=hashlib.sha256(table).hexdigest())
    elif leak == "duration in the log":
        also(told=f"{len(table) * 1e-6:.9f}")
    elif leak == "value in an error":
        measuring._tried = measuring._measured
        measuring.MeasuringFailed.__str__ = lambda problem: str(rows)
        _shout(measuring, rows)
    elif leak == "domain from the data":
        also(told=str(sorted({line.split(b",")[1].decode() for line in table.splitlines()[1:]})))
    elif leak == "exact count in a prompt":
        honest_tell = execution._Run._tell
        execution._Run._tell = lambda run, marginal: honest_tell(run, _exact(run, marginal))
    elif leak == "keys from the data":
        opendp_door.KeyThreshold.release = lambda door, counts: dict.fromkeys(counts, 90)
    elif leak == "exact total in the package":
        honest_write = packaging.write_json
        packaging.write_json = lambda path, content: honest_write(path, content | {"total": rows})
    else:
        raise ValueError(leak)


def _shout(measuring: Any, rows: int) -> None:
    honest = measuring.run

    def run(*args: Any, **values: Any) -> Any:
        try:
            return honest(*args, **values)
        except Exception:
            logging.getLogger("privacy").error("measuring stopped after %d rows", rows)
            raise

    measuring.run = run


def _exact(run: Any, marginal: Any) -> Any:
    from dataclasses import replace

    return replace(marginal, counts=run.counter.counts(marginal.clique))
