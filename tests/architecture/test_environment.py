"""The hash of the code in a run's environment covers every file of this project that its numbers are computed by."""

from __future__ import annotations

import grimp
import pytest

from synthesis import environment

ROOTS = ("synthesis.loop", "synthesis.llm.answers", "synthesis.prompts", "privacy.schema")


@pytest.fixture(scope="module")
def needed() -> set[str]:
    """Every module that the pure parts of a run import, directly or not, and those parts themselves."""
    graph = grimp.build_graph("synthesis", "privacy", "audit", cache_dir=None)
    inner = {module for root in ROOTS for module in {root, *graph.find_descendants(root)}}
    return inner | {module for one in inner for module in graph.find_upstream_modules(one)}


def hashed(paths: set[str]) -> set[str]:
    return {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in paths}


def test_every_file_a_run_is_computed_by_is_hashed(needed: set[str]) -> None:
    covered = hashed({str(path.relative_to(environment.ROOT)) for path in environment.code()})
    empty = {"synthesis", "privacy", "audit", "synthesis.llm"}  # packages whose __init__ computes nothing
    assert sorted(needed - covered - empty) == []
    assert {"synthesis.stepping", "synthesis.packaging"} <= covered


def test_a_file_left_out_is_noticed(needed: set[str]) -> None:
    fewer = {path for path in environment.code() if path.name != "pool.py"}
    assert needed - hashed({str(path.relative_to(environment.ROOT)) for path in fewer}) >= {"synthesis.loop.pool"}
