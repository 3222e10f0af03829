"""The files that leave: the table twice, how good it is, what they are, and a hash of each."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
from django.conf import settings
from django.template.loader import render_to_string

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".md": "text/markdown",
}


def package_folder(package_id: str) -> Path:
    return Path(settings.SITE_DIR) / "packages" / str(package_id)


def guard_cell(cell: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would run as a formula; numbers stay as they are."""
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) and not NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def guarded(table: pd.DataFrame) -> pd.DataFrame:
    """The table for CSV, with formulas disarmed in column names and text cells. (OWASP: CSV injection.)"""
    text = table.select_dtypes(include=["object", "string"]).columns
    return table.assign(**{name: table[name].map(guard_cell) for name in text}).rename(columns=guard_cell)


def write_package(
    folder: Path, *, table: pd.DataFrame, report: dict[str, Any], facts: dict[str, Any]
) -> dict[str, Any]:
    """Write every file of a package and its manifest; returns the manifest.

    ``facts`` are what the README states: title, dataset, privacy unit, rho, epsilon at delta, licence.
    """
    folder.mkdir(parents=True, exist_ok=True)
    guarded(table).to_csv(folder / "data.csv", index=False, lineterminator="\n")
    table.to_parquet(folder / "data.parquet", index=False)
    write_json(folder / "quality.json", report)
    (folder / "README.md").write_text(render_to_string("package/README.md", {"facts": facts, "report": report}))
    manifest = {
        "format": "llmsynthor-package/1",
        **facts,
        "files": [describe(path) for path in sorted(folder.iterdir()) if path.name != "manifest.json"],
    }
    write_json(folder / "manifest.json", manifest)
    return manifest


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def describe(path: Path) -> dict[str, Any]:
    return {
        "name": path.name,
        "sha256": sha256_of(path),
        "bytes": path.stat().st_size,
        "type": MEDIA_TYPES[path.suffix],
    }


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
