"""A first declaration from what an owner already has: a codebook, a data dictionary, or a few answers.

Never from data: codebooks describe variables, and of a data file at most the header line is read. What comes
out is a draft and the list of what its owner must still declare; only ``privacy.schema`` accepts it.
"""

from __future__ import annotations

from privacy.codebook.draft import CodebookRefused, Draft
from privacy.codebook.imports import draft_from
from privacy.codebook.wizard import QUESTIONS, Answers, header_line, propose

__all__ = ["QUESTIONS", "Answers", "CodebookRefused", "Draft", "draft_from", "header_line", "propose"]
