"""What a run's numbers depend on beside its inputs: code, libraries, processor, threads. Written down as it starts."""

from __future__ import annotations

import hashlib
import platform
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401  (brings a BLAS of its own, which must be there to be limited and told of)
from threadpoolctl import threadpool_info, threadpool_limits

ROOT = Path(__file__).resolve().parent.parent
LOCK = "requirements.lock"
LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow")
_OF_PRIVACY = (
    "accounting", "across_rules", "cliques", "errors", "held", "hints", "joined", "layouts", "leaf_chains",
    "leaf_reading", "leaves", "moments", "plan_parts", "plans", "problems", "purposes", "related", "rule_*", "schema*",
    "texts", "validity", "values",
)  # fmt: skip
CODE = (
    "synthesis/loop/*.py", "synthesis/members/*.py", "synthesis/relating.py", "synthesis/leafing.py",
    "synthesis/llm/base.py", "synthesis/llm/answers.py", "synthesis/prompts.py", "synthesis/manners.py",
    "synthesis/stepping.py", "synthesis/packaging.py", "audit/canonical.py",
    "audit/rendering.py", "audit/segments.py",
    *(f"privacy/{name}.py" for name in _OF_PRIVACY),
)  # fmt: skip
"""The files a prompt, the table and its bytes are computed by."""


def one_thread() -> AbstractContextManager[Any]:
    """Linear algebra on one thread: sums of several do not repeat bit for bit."""
    return threadpool_limits(limits=1, user_api="blas")


def recorded() -> dict[str, Any]:
    """The environment of this process, as facts of a log entry: strings, integers and lists of them."""
    return {
        "lock_sha256": _sha256([ROOT / LOCK]) if (ROOT / LOCK).exists() else "",
        "code_sha256": _sha256(code()),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu_features": list(np.show_config(mode="dicts")["SIMD Extensions"]["found"]),
        **{name: version(name) for name in LIBRARIES},
        "blas": sorted(_in_words(each) for each in _blas()),
        "blas_threads": max((int(each["num_threads"]) for each in _blas()), default=0),
    }


def code() -> list[Path]:
    return sorted({path for pattern in CODE for path in ROOT.glob(pattern)})


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is not as it was, one line each; empty where the same numbers may be expected."""
    names = sorted(then.keys() | now.keys())
    return [f"{name}: then {then.get(name)}, now {now.get(name)}" for name in names if then.get(name) != now.get(name)]


def _blas() -> list[dict[str, Any]]:
    return [each for each in threadpool_info() if each["user_api"] == "blas"]


def _in_words(library: dict[str, Any]) -> str:
    """Its name, version and the kernels it chose for this processor."""
    return " ".join(str(library.get(part)) for part in ("internal_api", "version", "architecture"))


def _sha256(files: list[Path]) -> str:
    """One hash of the files' names and bytes."""
    told = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(ROOT)}\n" for path in files)
    return hashlib.sha256(told.encode()).hexdigest()
