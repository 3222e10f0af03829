"""A filtered part of the log as a file: for reading and counting elsewhere. What proves something is an export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from audit import entries, events, log, sheets
from audit.entries import Filters
from audit.leaves import Leaf, time_text
from audit.models import LogEntry

COLUMNS = ("index", "time", "action", "by", "subject", "event", "facts", "leaf_hash")


def export(filters: Filters, *, form: str, by: str, reason: str) -> Iterator[bytes]:
    """The entries that fit, oldest first, as they stood before this export; its own entry is written first.

    ``jsonl``: the exact bytes of each entry and a line feed, so that its leaf hash can be worked out again.
    ``csv``: columns for a spreadsheet, with texts that one would run as a formula behind a quote.
    """
    events.flush()
    size = log.size()
    facts = {"reason": reason, "format": form, "filters": told(filters), "size": size}
    events.append(action="audit:list_export:made", by=by, subject="log:entries", facts=facts)
    found = entries.every(filters, size=size)
    return _lines(found) if form == "jsonl" else _rows(found)


def told(filters: Filters) -> dict[str, Any]:
    """The filters that were set, as plain JSON."""
    moments = {name: time_text(at) for name in ("since", "until") if (at := getattr(filters, name))}
    texts = {name: text for name in ("action", "by", "subject", "mentions") if (text := getattr(filters, name))}
    return moments | texts | ({"words": list(filters.words)} if filters.words else {})


def _lines(found: Iterable[LogEntry]) -> Iterator[bytes]:
    return (bytes(one.leaf) + b"\n" for one in found)


def _rows(found: Iterable[LogEntry]) -> Iterator[bytes]:
    rows = ({**_columns(entries.leaf_of(one)), "leaf_hash": bytes(one.leaf_hash).hex()} for one in found)
    return (line.encode() for line in sheets.csv_lines(COLUMNS, rows))


def _columns(leaf: Leaf) -> dict[str, Any]:
    return {name: getattr(leaf, name) for name in COLUMNS if name != "leaf_hash"}
