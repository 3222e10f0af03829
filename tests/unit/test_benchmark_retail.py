"""Transactions made again: one flat file in, one flat file out, and no key, product or text that was not let out."""

from __future__ import annotations

import contextlib
import io
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.kinds import __main__ as kinds
from benchmarks.kinds import keys
from benchmarks.kinds.declared import SCHEMAS, BadData, Declaration
from benchmarks.kinds.retail import Retail
from privacy.accounting import rho_for
from privacy.dp.charging import MemoryLedger
from privacy.layouts import in_words

CUSTOMERS = 400
SECRET, RARE = "canary in a remark", "RAREST"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Customers with one or two invoices of a few lines; some invoices name no customer, some take goods back."""
    rng, rows, number = np.random.default_rng(0), [], 7_000_000
    for customer in range(CUSTOMERS):
        for _ in range(int(rng.integers(1, 3))):
            number += 1
            back, named = rng.random() < 0.1, rng.random() < 0.9
            when = (
                f"2011-0{rng.integers(3, 6)}-{rng.integers(10, 29)} {rng.integers(9, 17):02d}:{rng.integers(10, 60)}:00"
            )
            rows += [
                (f"{'C' if back else ''}{number}", f"P{rng.integers(0, 3)}", SECRET, -1 if back else 12, when, 2.5,
                 f"{customer + 90_000}.0" if named else "", "France")
                for _ in range(int(rng.integers(1, 4)))
            ]  # fmt: skip
    rows.append(("7999999", RARE, SECRET, 12, "2011-04-11 10:10:00", 2.5, "99999.0", "France"))
    folder = tmp_path_factory.mktemp("shop")
    names = Declaration.read(SCHEMAS / "retail.json").facts["flat"]["columns"]
    pd.DataFrame(rows, columns=names).sample(frac=1, random_state=0).to_csv(folder / "transactions.csv.gz", index=False)
    return folder


def texts(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "transactions.csv.gz", dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The declaration of a shop whose customers buy a few lines each."""
    declared = json.loads((SCHEMAS / "retail.json").read_text())
    declared["tables"][1]["most"], declared["tables"][2]["mostOfUnit"] = 3, 10
    path = tmp_path_factory.mktemp("schema") / "small.json"
    path.write_text(json.dumps(declared))
    return path


@pytest.fixture(scope="module")
def made_again(
    shop: Path, schema: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], pd.DataFrame]:
    """The line that a run prints, and the file it writes."""
    out, printed = tmp_path_factory.mktemp("out"), io.StringIO()
    with contextlib.redirect_stdout(printed):
        kinds.main(["retail", "--data", str(shop), "--out", str(out), "--epsilon", "8", "--seed", "1",
                    "--schema", str(schema)])  # fmt: skip
    return json.loads(printed.getvalue().splitlines()[-1]), texts(out)


def test_a_shop_is_written_as_it_was_spelled_and_says_nothing_rare(
    shop: Path, made_again: tuple[dict[str, Any], pd.DataFrame]
) -> None:
    line, made = made_again
    assert line["rule_violations"] == 0
    allowed = rho_for(epsilon=Decimal(8), delta=Decimal("1e-6") - Decimal("2e-7"))
    assert 0.99 < line["rho"] / float(allowed) <= 1
    real = texts(shop)
    assert list(made.columns) == list(real.columns)
    assert set(made["StockCode"]) <= {"P0", "P1", "P2", "another article"}
    assert {"P0", "P1", "P2"} <= set(made["StockCode"]), "what many customers buy is found"
    assert not made["Description"].any()
    assert not set(made["InvoiceNo"]) & set(real["InvoiceNo"])
    assert not (set(made["CustomerID"]) - {""}) & set(real["CustomerID"])
    assert made["UnitPrice"].map(lambda cell: repr(float(cell)) == cell).all()
    assert 0.02 < (made["CustomerID"] == "").mean() < 0.3


def test_invoices_hang_together(made_again: tuple[dict[str, Any], pd.DataFrame]) -> None:
    """One customer, moment and country each; numbers follow time; what is taken back is negative."""
    _, made = made_again
    invoices = made.groupby("InvoiceNo")
    for name in ("CustomerID", "InvoiceDate", "Country"):
        assert (invoices[name].nunique() == 1).all()
    numbers = made["InvoiceNo"].str.lstrip("C").astype(int)
    assert made["InvoiceDate"].iloc[numbers.argsort(kind="stable")].is_monotonic_increasing
    assert made["InvoiceDate"].str.fullmatch(r"2011-\d\d-\d\d \d\d:\d\d:00").mean() > 0.95, "to the minute"
    assert made["InvoiceDate"].str[14:16].nunique() > 30, "whose number is drawn evenly"
    assert made["InvoiceNo"].str.fullmatch(r"C?\d{6}").all()
    back = made["InvoiceNo"].str.startswith("C")
    assert back.any()
    assert (made["Quantity"][back].astype(int) < 0).all()
    assert (made[made["CustomerID"] != ""].groupby("CustomerID")["InvoiceNo"].nunique() <= 3).all()


def test_rows_without_a_customer_are_left_out_where_that_is_declared(shop: Path, tmp_path: Path) -> None:
    declared = json.loads((SCHEMAS / "retail.json").read_text()) | {"nullIdentifiers": "drop"}
    (tmp_path / "drop.json").write_text(json.dumps(declared))
    real, rows = Retail(Declaration.read(tmp_path / "drop.json")).read(shop), texts(shop)
    assert real.told["rows left out"] == (rows["CustomerID"] == "").sum() > 0
    assert len(real.invoices.top) == rows["CustomerID"].replace("", np.nan).nunique()
    kept = Retail(Declaration.read(SCHEMAS / "retail.json")).read(shop)
    assert kept.told["rows left out"] == 0
    alone = rows["InvoiceNo"][rows["CustomerID"] == ""].nunique()
    assert len(kept.invoices.top) == len(real.invoices.top) + alone, "each invoice is a unit of its own"


def test_lines_stay_with_their_invoices_when_they_are_read(shop: Path, schema: Path) -> None:
    real, rows = Retail(Declaration.read(schema)).read(shop), texts(shop)
    assert real.lines.members == len(rows)
    counts = rows.groupby("InvoiceNo").size()
    assert sorted(np.bincount(real.lines.groups)) == sorted(counts)
    marked = real.lines.codes["cancelled"]
    negative = real.lines.codes["Quantity"] < 4
    assert (marked.astype(bool) == negative).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [(lambda rows: rows.drop(columns="Country"), r"has no columns \['Country'\]"),
     (lambda rows: rows.assign(Quantity="many"), "Quantity: "),
     (lambda rows: rows.assign(InvoiceNo=""), "no row has the keys")],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused_without_a_value(
    shop: Path, schema: Path, tmp_path: Path, change: Any, said: str
) -> None:
    change(texts(shop)).to_csv(tmp_path / "transactions.csv.gz", index=False)
    with pytest.raises(BadData, match=said) as refused:
        Retail(Declaration.read(schema)).read(tmp_path)
    assert "many" not in str(refused.value)


SEARCH = keys.Search("key", "other", most=9, of_unit=6, longest=4, votes=2, delta=Decimal("1e-7"), share=Decimal("0.5"))


def test_a_unit_moves_the_counts_of_keys_by_no_more_than_is_charged() -> None:
    rng, largest = np.random.default_rng(1), 0.0
    for _ in range(60):
        others = [(int(unit), f"k{rng.integers(9)}") for unit in rng.integers(1, 6, 20)]
        own = [(0, f"k{rng.integers(9)}") for _ in range(int(rng.integers(1, 30)))]
        without, more = (
            SEARCH.counts(np.array([unit for unit, _ in rows]), [key for _, key in rows], secret=b"one and the same")
            for rows in (others, others + own)
        )
        gaps = [more[key] - without.get(key, 0) for key in more]
        changed = [gap for gap in gaps if gap]
        assert len(changed) <= SEARCH.of_unit
        assert max(changed) <= keys.PARTS
        largest = max(largest, math.sqrt(sum(gap**2 for gap in changed)) / (SEARCH.votes * keys.PARTS))
    assert 0.99 < largest <= 1


def test_keys_are_charged_before_they_are_let_out_and_long_ones_never_are() -> None:
    ledger, units = MemoryLedger(Decimal(1)), np.arange(400)
    named = ["a"] * 300 + ["too long"] * 99 + ["rare"]
    assert SEARCH.find(units, named, ledger, rho=Decimal("0.5")) == ["a"]
    (charge,) = ledger.entries
    assert (charge.kind, charge.delta <= SEARCH.delta, charge.rho <= Decimal("0.5")) == ("discovery", True, True)
    with pytest.raises(Exception, match="cap"):
        SEARCH.find(units, named, ledger, rho=Decimal("0.6"))


def test_groups_of_tables_of_lines_matter_alike_however_many_tables_each_has() -> None:
    """More tables of what is known of an invoice take nothing from the joint table of what lines say themselves."""
    kind = Retail(Declaration.read(SCHEMAS / "retail.json"))
    level = kind._level(5).level(independent=False)
    matter = {tuple(in_words(each.clique)): each.importance for each in level.wanted if len(in_words(each.clique)) > 1}
    groups = {"joint": 0.0, "product": 0.0, "known": 0.0}
    for names, importance in matter.items():
        groups["product" if "product" in names else "joint" if set(names) == set(kind.table.names) else "known"] += (
            importance
        )
    assert len(matter) == 9
    assert groups["product"] == pytest.approx(groups["joint"])
    assert groups["known"] == pytest.approx(groups["joint"])
    (alone,) = [each for each in kind._level(5).level(independent=True).wanted if len(in_words(each.clique)) > 1]
    assert alone.importance == pytest.approx(sum(groups.values())), "the same for all, whichever are measured"
