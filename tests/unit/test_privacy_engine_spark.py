"""The same suite on a real local Spark, in ``make test-long`` alone: it brings pyspark and needs Java 17."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from privacy import connecting, resolving
from privacy.errors import EngineTrouble
from privacy.schema import Schema
from privacy.schema_source import Source
from tests import engine_tables
from tests.unit.test_privacy_engine_tables import Conformance, Counting, counted

pytestmark = [pytest.mark.long_sizes, pytest.mark.long_only]


@pytest.fixture
def spark(tmp_path: Path) -> Iterator[Any]:
    """Spark's session; without Java or pyspark the test fails, because only make test-long runs it."""
    assert shutil.which("java"), "Spark needs Java 17"
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    settings = {
        "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2", "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(tmp_path / "warehouse"), "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.timestampType": "TIMESTAMP_NTZ",
    }  # fmt: skip
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


def stored(session: Any, table: pd.DataFrame, folder: Path) -> None:
    """The rows as the table ``visits``."""
    import pyarrow.parquet as pq

    path = folder / "visits.parquet"
    pq.write_table(engine_tables.as_arrow(table), path)
    session.read.parquet(str(path)).write.mode("overwrite").saveAsTable("visits")


def reached(settings: Any, folder: Path) -> None:
    settings.ENGINES_FILE = folder / "engines.json"
    settings.ENGINES_FILE.write_text(json.dumps({"held": {"kind": "spark", "master": "local[2]"}}))
    settings.ENGINES_FILE.chmod(0o600)
    settings.DATA_ENGINES = {"held": {"olivia": ["*", "*.*"]}}


def test_no_value_is_written_where_the_worker_writes(tmp_path: Path) -> None:
    """A count that fails on a value: neither Spark's own process nor pyspark quotes it."""
    code = (
        "import django; django.setup(); from privacy import connecting; "
        "held = connecting._spark({'master': 'local[1]', 'conf': {'spark.driver.bindAddress': '127.0.0.1', "
        f"'spark.ui.enabled': 'false', 'spark.sql.warehouse.dir': '{tmp_path}'}}}}); "
        "held._session.createDataFrame([('canary83749',)], 'x string').createOrReplaceTempView('t')\n"
        "try: held._session.sql('select cast(x as int) from t where rand() >= 0').collect()\n"
        "except Exception as problem: print('raised', 'canary83749' in str(problem))"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "llmsynthor_site.settings", "SITE_DIR": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert said.stdout.strip() == "raised True", said.stderr
    assert "canary83749" not in said.stderr


class TestSpark(Conformance):
    def test_a_table_has_one_place_and_a_view_none(self, spark: Any, tmp_path: Path) -> None:
        """With its schema or without, in other letters, and as another table over the same files."""
        import ibis

        connection = ibis.pyspark.connect(spark)
        stored(spark, engine_tables.rows(5, seed=1), tmp_path)
        where = tmp_path / "warehouse" / "visits"
        spark.sql("DROP TABLE IF EXISTS twin")
        spark.sql(f"CREATE TABLE twin USING parquet LOCATION '{where}'")
        spark.sql("CREATE OR REPLACE VIEW seen AS SELECT * FROM visits")
        spark.table("visits").createOrReplaceTempView("shown")
        marks = set()
        for name in ("visits", "default.visits", "VISITS", "twin"):
            place = resolving.resolved(connection, "spark", {}, Source("held", name))
            assert connection.table(place.name, database=place.database).count().execute() == 5
            marks.add(place.lies)
        assert len(marks) == 1
        for name in ("seen", "shown"):
            with pytest.raises(EngineTrouble, match="view"):
                resolving.resolved(connection, "spark", {}, Source("held", name))

    @pytest.fixture
    def count(self, spark: Any, tmp_path: Path, settings: Any) -> Iterator[Counting]:
        """Through the product's own connection, from a file of engines."""
        reached(settings, tmp_path)

        def counting(table: pd.DataFrame, schema: Schema) -> Any:
            stored(spark, table, tmp_path)
            held = open_ones.enter_context(connecting.opened(schema.source or Source("held", "visits"), "olivia"))
            return counted(held.table, schema, "spark")

        with ExitStack() as open_ones:
            yield counting
