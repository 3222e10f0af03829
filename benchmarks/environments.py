"""Virtual environments of the peers and of the judge's tree: none of their packages is among the product's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "var" / "benchmarks"

REQUIREMENTS = {
    "judge": ("scikit-learn==1.9.1", "pandas==3.1.1"),
    "opendp": ("opendp[mbi]==0.16.0", "pandas==3.1.1"),
    "dpmm": ("dpmm==0.1.9",),
}


def ready(name: str, work: Path) -> Path:
    """The Python of the named environment, made and filled where it is not there yet.

    SystemExit with what pip said when the packages cannot be installed.
    """
    folder = (work / name).resolve()
    python, mark = folder / "bin" / "python", folder / "installed"
    wanted = "\n".join(REQUIREMENTS[name])
    if python.exists() and mark.exists() and mark.read_text() == wanted:
        return python
    print(f"installing {', '.join(REQUIREMENTS[name])} into {name}", file=sys.stderr, flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _call([sys.executable, "-m", "venv", "--clear", str(folder)], what=f"making the environment {name}")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _call([*pip, *REQUIREMENTS[name]], what=f"installing {', '.join(REQUIREMENTS[name])}")
    mark.write_text(wanted)
    return python


def _call(command: list[str], *, what: str) -> None:
    # Our own paths and settings are not theirs.
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise SystemExit(f"{what} failed: {said[-1] if said else 'pip said nothing'}")
