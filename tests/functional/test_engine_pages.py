"""The page of a dataset whose rows stay in their engine, as its owner looks at it: waiting, refused, accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import expect

from privacy import attaching, services
from privacy.models import Dataset
from tests import engine_tables, privacy_site
from tests.functional.looking import arrive, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]


@pytest.fixture
def dataset(live_server: Any, settings: Any, tmp_path: Path) -> Dataset:
    """Registered, with a table in DuckDB that breaks its declaration."""
    privacy_site.make_keys()
    settings.ENGINES_FILE, settings.DATA_ENGINES = tmp_path / "engines.json", {"held": {"olivia": ["visits"]}}
    settings.ENGINES_FILE.write_text(json.dumps({"held": {"kind": "duckdb", "path": str(tmp_path / "held.duckdb")}}))
    settings.ENGINES_FILE.chmod(0o600)
    fill(tmp_path, wild=True)
    owner = privacy_site.person("olivia", "owner")
    return services.register_dataset(by=owner, declaration=engine_tables.declaration(row=True))


def fill(folder: Path, *, wild: bool) -> None:
    with duckdb.connect(str(folder / "held.duckdb")) as connection:
        connection.execute("DROP TABLE IF EXISTS visits")
        engine_tables.into_duckdb(connection, engine_tables.rows(80, seed=4, wild=wild))


def test_an_owner_follows_the_table(dataset: Dataset, sign_in: Any, screenshots: Path, tmp_path: Path) -> None:
    wrong: list[str] = []
    olivia = sign_in("olivia", reduced_motion="reduce")
    page = f"/datasets/{dataset.pk}/"
    olivia.goto(page)
    expect(olivia.get_by_text("waits for the measuring worker")).to_be_visible()
    attaching.attach(str(dataset.pk))
    arrive(olivia, page)
    expect(olivia.get_by_text("a cell is missing, in 1 row")).to_be_visible()
    wrong += look(olivia, "engine-refused", screenshots)
    fill(tmp_path, wild=False)
    olivia.get_by_role("button", name="Look at the table again").click()
    expect(olivia.get_by_text("The measuring worker will look at the table.")).to_be_visible()
    attaching.attach(str(dataset.pk))
    arrive(olivia, page)
    expect(olivia.get_by_text("It fitted its declaration on")).to_be_visible()
    wrong += look(olivia, "engine-accepted", screenshots)
    assert not wrong
