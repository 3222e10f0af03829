"""Mock rows come from the declaration alone, fit it, repeat by seed; simulated plans state their expected error."""

from __future__ import annotations

import io
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from privacy import mock, planning, tables
from privacy.coding import Coder, Tally
from privacy.plans import all_pairs
from privacy.purposes import Purpose
from privacy.schema import Schema
from tests.unit.test_privacy_schema import DEMO
from tests.unit.test_privacy_schema import schema as shop
from tests.unit.test_privacy_schema_parts import AREA, BORN, DISEASE, OPENS, SHOP, VISIT

EVERY = shop(
    privacyUnit={
        "kind": "identifier", "column": "who", "maxRows": 3, "nullIdentifiers": "drop", "means": "one customer",
    },
    fields=[{"name": "who", "type": "string"}, VISIT, BORN, OPENS, DISEASE, SHOP, AREA,
            {"name": "age", "type": "integer", "constraints": {"minimum": 0, "maximum": 99}, "bins": {"equalWidth": 9}},
            {"name": "said", "type": "string", "freeText": True}],
)  # fmt: skip
FAMILIES = Schema.parse(DEMO.read_text())


def recoded(schema: Schema, table: pd.DataFrame) -> np.ndarray[Any, Any]:
    return np.array([[c.code(text) for text in table[c.source]] for c in schema.columns]).T


@pytest.mark.parametrize("schema", [EVERY, FAMILIES, shop()], ids=["every kind", "families", "shop"])
def test_a_mock_file_fits_its_declaration_and_decodes_to_its_own_codes(schema: Schema) -> None:
    table = mock.table(schema, rows=400, seed=3)
    assert tuple(table.columns) == schema.header
    assert table.map(lambda cell: isinstance(cell, str)).to_numpy().all()
    codes = mock.codes(schema, rows=400, seed=3)
    assert (recoded(schema, table)[:, first_parts(schema)] == codes[:, first_parts(schema)]).all()
    assert (recoded(schema, table) >= 0).all()
    if schema.unit.column:
        assert table[schema.unit.column].value_counts().max() <= schema.unit.k


def test_a_mock_file_is_coded_by_the_uploads_own_coder() -> None:
    table, tally = mock.table(EVERY, rows=3000, seed=5), Tally()
    source = io.BytesIO(table.to_csv(index=False).encode())
    limits = tables.Limits(rows=5000, columns=20, cell_chars=99)
    reader = tables.Table(source, delimiter=",", limits=limits, tally=tally)
    coder = Coder(EVERY, reader.header, tally)
    coded = np.hstack([np.stack(coder.code(batch.cells, batch.lines)) for batch in reader.batches()])
    assert tally.problems == ()
    assert (recoded(EVERY, table) == coded.T).all()


def first_parts(schema: Schema) -> list[int]:
    """Columns whose code a decoded value always keeps: not those of a date whose parts no day has together."""
    return [place for place, column in enumerate(schema.columns) if column.source not in ("visit", "born")]


def test_the_same_seed_gives_the_same_rows_and_another_does_not() -> None:
    first, again, other = (mock.table(EVERY, rows=50, seed=seed) for seed in (7, 7, 8))
    assert first.equals(again)
    assert not first.equals(other)
    with pytest.raises(ValueError, match="at least one"):
        mock.codes(EVERY, rows=0, seed=1)


def test_mock_columns_hang_together() -> None:
    codes = mock.codes(FAMILIES, rows=20_000, seed=1)
    joint = np.histogram2d(codes[:, 1], codes[:, 4], bins=(15, 20))[0] / len(codes)
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    assert np.abs(joint - independent).sum() / 2 > 0.05


@pytest.mark.parametrize("purpose", [None, Purpose(("p401k",), (("inc", 4),))])
def test_a_simulation_spends_its_own_purse_only(purpose: Purpose | None) -> None:
    rho = Decimal("0.05")
    found = planning.simulate(FAMILIES, rho=rho, rows=5000, purpose=purpose, seed=2)
    assert 0 < found.spent <= rho
    assert len([one for one in found.tables if len(one.columns) == 1]) == 9
    for one in found.tables:
        assert one.margin == pytest.approx(1.96 * one.sigma, rel=1e-4)
        assert one.sigma == pytest.approx(1 / math.sqrt(2 * float(one.rho)), rel=1e-3)
        assert 0 <= (-1 if one.fitted_tvd is None else one.fitted_tvd) <= 1
    if purpose is not None:
        targeted = [one for one in found.tables[9:17] if "p401k" in one.columns]
        assert len(targeted) == 8
        weighed = next(one for one in targeted if "inc" in one.columns)
        assert weighed.sigma == pytest.approx(min(one.sigma for one in targeted))
    assert json.loads(json.dumps(found.to_json()))["rows"] == 5000


def test_the_expected_distance_is_what_noise_does_on_average() -> None:
    """Noise alone, drawn 200 times, is as far from the truth as the forecast says."""
    plan = all_pairs(FAMILIES.domain)
    found = planning.simulate(FAMILIES, rho=Decimal("0.5"), rows=4000, plan=plan, seed=2)
    widest = max(found.tables, key=lambda one: one.cells)
    noise = np.random.default_rng(0).normal(0, widest.sigma, (200, widest.cells))
    assert widest.noise_tvd == pytest.approx(np.abs(noise).sum(axis=1).mean() / 2 / 4000, rel=0.02)


def mean_tvd(found: planning.Forecast) -> float:
    """Of the columns by themselves, as fitted."""
    return float(np.mean([one.fitted_tvd for one in found.tables if len(one.columns) == 1]))


def test_more_budget_is_less_error() -> None:
    little, much = (
        planning.simulate(FAMILIES, rho=Decimal(rho), rows=3000, plan=all_pairs(FAMILIES.domain), seed=1)
        for rho in ("0.01", "1")
    )
    assert mean_tvd(much) < mean_tvd(little)
    assert all(
        a.sigma == pytest.approx(10 * b.sigma, rel=1e-3) for a, b in zip(little.tables, much.tables, strict=True)
    )


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("mock_rows", DEMO, rows=30, seed=4)
    printed = capsys.readouterr().out
    table = pd.read_csv(io.StringIO(printed), dtype=str, keep_default_na=False)
    assert (recoded(FAMILIES, table) >= 0).all()
    call_command("mock_rows", DEMO, rows=30, seed=4, out=tmp_path / "mock.csv")
    assert (tmp_path / "mock.csv").read_text() == printed
    call_command("simulate_plan", DEMO, epsilon="1", rows=2000, target=["p401k"], weight=["inc=2"], json=True)
    found = json.loads(capsys.readouterr().out)
    assert Decimal(found["spent"]) <= Decimal(found["rho"])
    assert sum("p401k" in table["columns"] for table in found["tables"]) >= 9
    call_command("simulate_plan", DEMO, rho="0.02", rows=2000)
    assert "nothing was charged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"epsilon": "one"}, "must be a number"),
        ({"epsilon": "NaN"}, "above 0"),
        ({"epsilon": "-1"}, "above 0"),
        ({"epsilon": "800"}, "more than the declared cap"),
        ({"rho": "1e-13"}, "the price is nothing"),
        ({"epsilon": "1", "rows": 0}, "rows are at least 1"),
        ({"epsilon": "1", "target": ["elsewhere"]}, "column elsewhere: the purpose names it"),
        ({"epsilon": "1", "weight": ["inc=2"]}, "beside a target"),
        ({"epsilon": "1", "target": ["inc"], "weight": ["age"]}, "COLUMN=WHOLE"),
        ({"epsilon": "1", "target": ["inc"], "weight": ["age=101"]}, "from 0 to 100"),
        ({"epsilon": "1", "target": ["inc"], "weight": ["inc=2"]}, "no targets"),
    ],
)
def test_a_simulation_that_makes_no_sense_is_refused_by_rule(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(CommandError, match=rule):
        call_command("simulate_plan", DEMO, **options)
