"""What other rooms may know of free text: which columns are to be written, and where they stand. Never a cell."""

from __future__ import annotations

from typing import Any

from privacy import selectors
from privacy.models import Dataset
from privacy.schema_texts import Written


def written(of: Dataset) -> tuple[Written, ...]:
    """The columns of text that are written from each synthetic record, in the file's order."""
    return selectors.schema(of).written


def facts(of: Dataset) -> list[dict[str, Any]]:
    """The same as plain JSON, for the manifest of what may leave."""
    return [
        {"column": each.name, "most": each.most, "language": each.language, "instruction": each.instruction}
        for each in written(of)
    ]


def in_order(of: Dataset, names: list[str]) -> list[str]:
    """Columns of a table in the order of the file they were declared for."""
    header = selectors.schema(of).header
    return sorted(names, key=header.index)
