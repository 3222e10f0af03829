"""dpmm's MST on a coded table; run with the Python of its environment. Imports nothing of the project.

The columns are coded already, so its own binning is left out and the whole budget goes to the mechanism. The table
made has as many rows as the real one, which favours it. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from dpmm.pipelines import MSTPipeline


def main() -> None:
    asked = _arguments()
    sizes = json.loads(Path(asked.domain).read_text())
    table = pd.read_csv(asked.train)[list(sizes)]
    pipeline = MSTPipeline(epsilon=asked.epsilon, delta=asked.delta, disable_processing=True, n_jobs=1)
    pipeline.fit(table, domain=sizes, random_state=asked.seed)
    made = pipeline.generate(n_records=len(table), random_state=asked.seed)
    made[list(sizes)].to_csv(asked.out, index=False)
    print(json.dumps({"library": f"dpmm {version('dpmm')}", "rows": len(made)}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--train", "--domain", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--epsilon", type=float, required=True)
    parser.add_argument("--delta", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
