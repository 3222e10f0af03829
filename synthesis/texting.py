"""The text columns of a table, once it is finished: written in batches from the synthetic records, or left empty.

Each batch is one recorded question within what gate B approved. A cell that gets no usable text stays empty and is
counted with its reason: no trouble with a model holds the table up.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from privacy import free_texts
from privacy.schema_texts import Written
from privacy.values import IntArray
from synthesis import envelope, gateway
from synthesis.llm.texts import parse_texts
from synthesis.models import SynthesisRequest
from synthesis.prompts import TooLong
from synthesis.states import Proposer
from synthesis.stepping import Ask
from synthesis.text_prompts import Batch, batch_size, text_prompt

EMBEDDED = "the embedded proposer writes no text"
USED_UP = "the approved number of questions is used up"


class TextWriter:
    """Writes the cells of one request's text columns; ``ask`` is its own provider's way."""

    def __init__(self, request: SynthesisRequest, ask: Ask) -> None:
        self.request, self.ask = request, ask
        self.columns = free_texts.written(request.dataset)
        self.builder = envelope.builder(request)
        self.number = envelope.FIRST_TEXT
        self.left = int(request.manifest.body["caps"].get("text_questions", 0))
        self.rows: Counter[str] = Counter()
        self.written: Counter[tuple[str, str]] = Counter()
        self.reasons: dict[tuple[str, str], Counter[str]] = {}

    def added(self, table: pd.DataFrame, records: IntArray, of: str) -> pd.DataFrame:
        """The table with its text columns, in the order of the declaration; ``of`` names what its rows are."""
        if not self.columns or not len(records):
            return table
        for column in self.columns:
            texts = self.cells(column, records, of)
            table = table.assign(**{column.name: pd.Series(texts, index=table.index, dtype="str")})
        self.rows[of] += len(records)
        return table[free_texts.in_order(self.request.dataset, list(table.columns))]

    def cells(self, column: Written, records: IntArray, of: str) -> list[str | None]:
        """One text, or None, for each record."""
        texts: list[str | None] = []
        size = batch_size(column, self.builder.manner)
        while len(texts) < len(records):
            batch = Batch(records[len(texts) :][:size], of, self.rows[of] + len(texts) + 1)
            texts += self.answered(column, batch)
        self.written[of, column.name] += sum(text is not None for text in texts)
        return texts

    def answered(self, column: Written, batch: Batch) -> list[str | None]:
        """The texts of the batch's first records: of as many as one question could be about."""
        lost = self.reasons.setdefault((batch.of, column.name), Counter())
        if self.request.proposer != Proposer.OPENAI or not self.left:
            lost[USED_UP if self.request.proposer == Proposer.OPENAI else EMBEDDED] += len(batch.records)
            return [None] * len(batch.records)
        count = len(batch.records)
        try:
            prompt, count = text_prompt(self.builder, column, batch)
            made = parse_texts(self.question(prompt), records=count, most=column.most)
        except (gateway.NoAnswer, TooLong) as problem:
            lost[f"no answer: {problem}"] += count
            return [None] * count
        lost.update(made.lost.values())
        return [made.found.get(record) for record in range(1, count + 1)]

    def question(self, prompt: Any) -> bytes:
        self.left, number = self.left - 1, self.number
        self.number += 1
        return self.ask(prompt, number)

    def report(self) -> list[dict[str, Any]]:
        """For every text column, and for the rows of each table: how many cells were written, why others were not."""
        return [
            {
                "column": column.name, "rows": of, "cells": cells, "written": self.written[of, column.name],
                "empty": cells - self.written[of, column.name],
                "reasons": dict(self.reasons.get((of, column.name), {})),
            }
            for of, cells in self.rows.items()
            for column in self.columns
        ]  # fmt: skip
