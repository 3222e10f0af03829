"""A gradient-boosted tree trained on one coded table and tested on another; run with scikit-learn's own Python.

Imports nothing of the project. The last line is one JSON object: ``auc``, ``acc``, ``f1``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--synth", "--test", "--domain", "--target", "--positive"):
        parser.add_argument(name, required=True)
    asked = parser.parse_args()
    sizes = json.loads(Path(asked.domain).read_text())
    yes = [int(code) for code in asked.positive.split(",")]
    (inputs, wanted), (seen, truth) = (_table(path, sizes, asked.target, yes) for path in (asked.synth, asked.test))
    print(json.dumps({name: round(value, 4) for name, value in _scores(inputs, wanted, seen, truth).items()}))


def _table(path: str, sizes: dict[str, int], target: str, yes: list[int]) -> tuple[Any, Any]:
    """Inputs (rows x other columns) and whether each row is a yes; what is outside the domain counts as 0."""
    frame = pd.read_csv(path)[list(sizes)].apply(pd.to_numeric, errors="coerce")
    inside = (frame >= 0) & (frame < pd.Series(sizes)) & (frame == np.floor(frame))
    kept = frame.where(inside, 0).to_numpy(int)
    place = list(sizes).index(target)
    return np.delete(kept, place, axis=1), np.isin(kept[:, place], yes)


def _scores(inputs: Any, wanted: Any, seen: Any, truth: Any) -> dict[str, float]:
    if wanted.all() or not wanted.any():  # nothing to learn from: a coin
        return {"auc": 0.5, "acc": float((truth == wanted[0]).mean()), "f1": 0.0}
    tree = HistGradientBoostingClassifier(random_state=0, early_stopping=False).fit(inputs, wanted)
    chances = tree.predict_proba(seen)[:, 1]
    told = chances > 0.5
    return {
        "auc": float(roc_auc_score(truth, chances)),
        "acc": float(accuracy_score(truth, told)),
        "f1": float(f1_score(truth, told)),
    }


if __name__ == "__main__":
    main()
