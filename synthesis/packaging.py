"""The files that leave: the table twice, how good it is, what they are, a hash of each, and a signature over all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings

from audit import documents, durable, statements
from audit.notes import PrivateKey, PublicKey
from audit.verify_package import ATTESTATION, MANIFEST
from synthesis import describing, guarding, workbook
from synthesis.report import disclosure, page

PART_ROWS = 50_000  # rows written at a time, which bounds memory
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".md": "text/markdown",
    ".txt": "text/plain",
    ".html": "text/html",
    ".yaml": "application/yaml",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
SUMS, TABLE = "sha256sums.txt", ("data.csv", "data.parquet")
SUPPOSED = ("data-what-if.csv", "data-what-if.parquet")
"""The table under a what-if, beside the one as the statistics say."""
TEXTS = {"README.md": "package/README.md", "guarantee.txt": "package/guarantee.txt", "VERIFY.txt": "package/VERIFY.txt"}


def package_folder(package_id: str) -> Path:
    return Path(settings.SITE_DIR) / "packages" / str(package_id)


def folders() -> list[Path]:
    """Every package's, the finished and the begun."""
    return [path for path in (Path(settings.SITE_DIR) / "packages").glob("*") if path.is_dir()]


def changed_at(folder: Path) -> float:
    """When something of it was written last, in seconds since 1970."""
    return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))


def settle(folder: Path) -> None:
    """See every file to the disk, before anything says that they are there. Raises OSError."""
    for path in (*folder.iterdir(), folder, folder.parent):
        durable.sync(path)


class TableFiles:
    """``data.csv`` and ``data.parquet`` of a package, or two other ``names``, written part by part: one row group each.

    All parts must have the same columns of the same types.
    """

    def __init__(self, folder: Path, names: tuple[str, str] = TABLE) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._to_parquet, self._files = folder / names[1], ExitStack()
        self._csv = self._files.enter_context((folder / names[0]).open("w", encoding="utf-8", newline=""))
        self._parquet: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._files.close()

    def add(self, part: pd.DataFrame) -> None:
        guarding.guarded(part).to_csv(self._csv, index=False, header=self._parquet is None, lineterminator="\n")
        if self._parquet is None:
            table = pa.Table.from_pandas(part, preserve_index=False)
            writer = pq.ParquetWriter(self._to_parquet, table.schema)
            self._parquet = self._files.enter_context(writer)
        else:
            table = pa.Table.from_pandas(part, schema=self._parquet.schema, preserve_index=False)
        self._parquet.write_table(table)


def parts(rows: int) -> list[slice]:
    """Consecutive rows of a shard, as many at a time as may be held decoded."""
    return [slice(start, start + PART_ROWS) for start in range(0, rows, PART_ROWS)]


def write_package(
    folder: Path, *, report: dict[str, Any], facts: dict[str, Any], key: PrivateKey, log_key: PublicKey,
    papers: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """Write the files that go with the table's own (``TableFiles``) and the manifest of all; returns the manifest.

    ``facts`` are what the package says of itself (``synthesis.packing.facts``); ``key`` signs, and the log of
    ``log_key`` vouches for it; ``papers`` are texts by file name (``synthesis.register``).
    """
    no_workbook = workbook.write(sheets(folder, facts), folder / "data.xlsx")
    write_json(folder / "quality.json", report)
    (folder / "report.html").write_text(page.page(report, facts), encoding="utf-8")
    words = {"facts": facts, "report": report, "key": key.public, "log_key": log_key, "no_workbook": no_workbook,
             "checked": disclosure.sentences(facts.get("disclosure"))}  # fmt: skip
    texts = {name: documents.written(template, words) for name, template in TEXTS.items()}
    for name, text in (texts | dict(papers)).items():
        (folder / name).write_text(text, encoding="utf-8")
    names = [name for table in facts["tables"] for name in table["files"]] if "tables" in facts else TABLE + SUPPOSED
    tables = [describe(folder / name) for name in names if (folder / name).exists()]
    described = describing.described(folder, facts, tables)
    for name, content in described.items():
        write_json(folder / name, content)
    sums = "".join(f"{sha256_of(path)}  {path.name}\n" for path in sorted(folder.iterdir()))
    (folder / SUMS).write_text(sums, encoding="utf-8")
    return sign(folder, facts, key)


def sheets(folder: Path, facts: Mapping[str, Any]) -> dict[str, Path]:
    """The Parquet files that a workbook shows, by the name of their sheet."""
    if "tables" in facts:
        return {table["name"]: folder / table["files"][1] for table in facts["tables"]}
    return {"data": folder / TABLE[1]}


def sign(folder: Path, facts: dict[str, Any], key: PrivateKey) -> dict[str, Any]:
    """Sign a manifest of every file, then write it with the signature's own file added; nothing may change after."""
    files = [describe(path) for path in sorted(folder.iterdir())]
    manifest = {"format": "llmsynthor-package/1", **facts, "files": files}
    (folder / ATTESTATION).write_bytes(statements.sealed(manifest, key))
    manifest["files"] = [*files, describe(folder / ATTESTATION)]
    write_json(folder / MANIFEST, manifest)
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
