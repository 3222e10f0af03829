"""The papers for registers say what the site knows, leave open what it does not, and run nothing."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
import yaml

from synthesis.register import papers
from synthesis.register.entry import TO_STATE, controller
from tests import report_sample

FACTS = report_sample.FACTS | {"request": "q1", "privacy": report_sample.FACTS["privacy"] | {"found": []}}
ENTRY = {
    "controller": controller({"name": "City Hospital", "contact": "data@example.org"}),
    "purpose": "=Plan beds", "context": "Two analysts", "targets": ["age"], "population": "patients of 2029",
    "purposes": ["planning"], "days": 90, "endpoint": None,
    "columns": [
        {"name": "age", "kind": "integer", "title": "Age", "description": "on arrival", "values": 9, "missing": False},
        {"name": "ward", "kind": "string", "title": "", "description": "", "values": 4, "missing": True},
    ],
}  # fmt: skip
OUTSIDE = {"name": "far", "model": "model-1", "local": False}


def written(**changed: object) -> dict[str, str]:
    return papers.written(FACTS, report_sample.report(3), ENTRY | changed)


def test_the_record_of_processing_has_a_field_for_every_paragraph() -> None:
    [record] = csv.DictReader(io.StringIO(written()["processing.csv"]))
    assert [name[-3:] for name in record][1:] == ["(a)", "(a)", "(b)", "(c)", "(c)", "(d)", "(e)", "(f)", "(g)"]
    assert record["controller and contact (a)"] == "City Hospital; data@example.org"
    assert record["data protection officer (a)"] == TO_STATE
    assert record["categories of personal data (c)"] == "Age, ward"
    assert record["purposes (b)"] == "'=Plan beds"  # a spreadsheet would run it
    assert record["transfers to third countries (e)"] == "None."


def test_a_model_outside_is_a_recipient_and_a_transfer_left_open() -> None:
    [record] = csv.DictReader(io.StringIO(written(endpoint=OUTSIDE)["processing.csv"]))
    assert "model-1, outside the organisation" in record["categories of recipients (d)"]
    assert TO_STATE in record["transfers to third countries (e)"]


@pytest.mark.parametrize(
    ("facts", "endpoint", "counts"),
    [
        ({}, None, (2, 1, 2)),
        ({}, OUTSIDE, (2, 2, 2)),
        ({}, OUTSIDE | {"local": True}, (2, 1, 2)),
        ({"measured_under": {"signed_at": "2030"}}, OUTSIDE, (1, 2, 2)),
        ({"one_steward": {"signed_at": "2030"}}, OUTSIDE, (1, 1, 1)),
    ],
)
def test_every_paper_says_how_many_stewards_decided_at_which_gate(
    facts: dict[str, Any], endpoint: dict[str, Any] | None, counts: tuple[int, int, int]
) -> None:
    found = papers.written(FACTS | facts, report_sample.report(3), ENTRY | {"endpoint": endpoint})
    for name in ("dpia.md", "processing.csv", "deployment.yaml"):
        said = re.findall(
            r"(one|two) data stewards?[^;]{0,60}? (approved the measuring|what may be told|the table)",
            " ".join(found[name].split()),
        )
        numbers = [{"one": 1, "two": 2}[number] for number, _ in said]
        assert (name, tuple(numbers)) == (name, counts)


def test_the_registry_entry_has_the_fields_of_the_registrys_template() -> None:
    entry = yaml.safe_load(written()["deployment.yaml"])["deployment"]
    assert list(entry) == [
        "basic", "dp_variant", "privacy_loss", "deployment_model", "implementation", "administrative",
    ]  # fmt: skip
    assert entry["privacy_loss"]["privacy_parameters"] == {"epsilon": 1.0, "delta": 1e-6, "rho": 0.02}
    assert entry["basic"]["publication_date"] == "2030-01-02"
    assert entry["basic"]["data_curators"] == [{"data_curator_name": "City Hospital", "data_curator_type": TO_STATE}]
    assert entry["deployment_model"]["model_name"] == "Central"


def test_the_assessment_answers_each_letter_of_the_article_and_leaves_the_rest_open() -> None:
    text = written(endpoint=OUTSIDE)["dpia.md"]
    assert [line[3:6] for line in text.splitlines() if line.startswith("## (")] == ["(a)", "(b)", "(c)", "(d)"]
    assert "model-1, outside the organisation" in text
    assert text.count(TO_STATE) >= 10
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_the_data_card_lists_every_column_and_what_not_to_do() -> None:
    text = written()["datacard.md"]
    assert "| age | integer | 9 | no | Age: on arrival |" in text
    assert "| ward | string | 4 | yes |  |" in text
    assert "learn about any one person" in text
