"""deployment.yaml: a draft entry for the public registry of deployments of differential privacy. Pure.

Its fields and their words are those of the registry's template; what this site cannot know is left open in words.
"""

from __future__ import annotations

from typing import Any

import yaml

from synthesis.describing import made_in_words
from synthesis.register import deciding
from synthesis.report.disclosure import NOT_END_TO_END, is_end_to_end

Facts = dict[str, Any]

MECHANISMS = (
    "Discrete Gaussian noise on tables of counts, and report noisy max to choose the tables, both from the OpenDP "
    "library, sampled exactly (no floating-point noise). Measuring ends at a fixed tick: its time tells nothing."
)
COMPOSITION = (
    "zero-concentrated DP, adaptive: the losses of all measurements add up. Every charge is written to an append-only "
    "ledger before the data is touched, under one cap for all data about the same population."
)
POST_PROCESSING = (
    "A maximum-entropy model is fitted to the noisy tables as far as their noise allows, in a loop of proposals and "
    "corrections, and rows are drawn from it. The proposer sees noisy tables and declared facts alone."
)


def deployment(facts: Facts, entry: Facts) -> str:
    """YAML of one entry; ``facts`` are what the package says of itself, ``entry`` is register.entry.entry's."""
    return yaml.safe_dump(body(facts, entry), sort_keys=False, allow_unicode=True, width=100)


def body(facts: Facts, entry: Facts) -> Facts:
    return {
        "url_slug": f"synthetic-data-{facts['package']}",
        "deployment": {
            "basic": basic(facts, entry),
            "dp_variant": variant(facts, entry),
            "privacy_loss": loss(facts["privacy"], end_to_end=is_end_to_end(facts)),
            "deployment_model": model(facts, entry),
            "implementation": implementation(facts),
            "administrative": {"status": "Draft", "registry_authors": [entry["controller"]["name"]], "tier": 3},
        },
    }


def basic(facts: Facts, entry: Facts) -> Facts:
    told = entry["controller"]
    return {
        "name": facts["title"],
        "data_curators": [{"data_curator_name": told["name"], "data_curator_type": told["type"]}],
        "description": f"{made_in_words(facts)}, made from {facts['dataset']}.",
        "intended_use": entry["purpose"],
        "data_product_type": "Synthetic data",
        "data_product_region": told["region"],
        "data_product_sector": told["sector"],
        "publication_date": facts["made_at"][:10],
    }


def variant(facts: Facts, entry: Facts) -> Facts:
    columns = ", ".join(one["name"] for one in entry["columns"])
    return {
        "variant_name": "Zero-concentrated DP",
        "data_domain": f"Tables about {entry['population']} with the declared columns {columns}.",
        "unprotected_quantities": "; ".join(facts["unprotected_quantities"]),
    }


def loss(privacy: Facts, *, end_to_end: bool) -> Facts:
    return {
        "privacy_unit": privacy["unit"],
        "privacy_unit_details": f"Neighbouring tables differ in one unit ({privacy['neighbours']}).",
        "number_of_privacy_units": 1,
        "privacy_parameters": {name: float(privacy[name]) for name in ("epsilon", "delta", "rho")},
        "privacy_parameters_details": "rho is what was spent; epsilon is what it amounts to at delta."
        + ("" if end_to_end else f" {NOT_END_TO_END}"),
    }


def model(facts: Facts, entry: Facts) -> Facts:
    place = entry["endpoint"]
    where = "asked none" if place is None else f"asked {place['model']}, {'inside' if place['local'] else 'outside'} it"
    return {
        "model_name": "Central",
        "actors": (
            f"The data owner declares and registers; {deciding.in_words(facts, entry)}; the requester downloads it "
            "under terms; an auditor reads the log. "
            f"The site {where}."
        ),
        "release_type": "One release",
        "data_source_type": "Static",
        "access_type": "Non-interactive",
    }


def implementation(facts: Facts) -> Facts:
    found = facts["privacy"]["found"]
    return {
        "preprocessing_and_hyperparameter_tuning": (
            "Columns, categories and bounds are declared without looking at the data"
            + (f", but for the categories of {', '.join(found)}, which were found with noise." if found else ".")
            + " Rows beyond what one unit may contribute are left out. Nothing was tuned on the data."
        ),
        "mechanisms": MECHANISMS,
        "composition": COMPOSITION,
        "post_processing": POST_PROCESSING,
        "justification": (
            f"The loss was asked for by the requester and approved by {deciding.measuring(facts)} for the stated use."
        ),
        "utility": "See report.html and quality.json of the package.",
    }
