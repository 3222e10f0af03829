"""An export of many entries, and how long ``python -m audit.verify`` takes for it."""
from pathlib import Path
