"""What an owner signs who lets one steward decide. A change of the words is a new version; signed ones keep theirs."""

from __future__ import annotations

import hashlib

WAIVER_VERSION = "1"
WAIVER_TEXT = """\
I own this dataset. I know that two data stewards decide at every gate, blind to each other, so that no one person alone can have the data measured, let statistics leave, or hand a table over.

I waive the second steward for requests about this dataset. One steward then decides alone at gates A, B and C. If that steward errs or is deceived, nobody else stops it before it happens.

Everybody who meets the dataset, its requests or its packages is told. The waiver covers requests submitted after it, and no others. I may end it at any time; gates that have not decided by then need two stewards again. What was decided stays decided.
"""  # noqa: E501  (paragraphs, as they are shown)


def digest(text: str = WAIVER_TEXT) -> str:
    """SHA-256 of the words, as the log and every package name them."""
    return hashlib.sha256(text.encode()).hexdigest()
