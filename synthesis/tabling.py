"""From a fit to the files of its tables: the one as the statistics say, and beside it the one under a what-if.

Both are written in one pass, shard by shard and part by part, so that memory does not grow with rows. A run and its
replay do exactly the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy import selectors
from privacy.values import IntArray
from synthesis import relating, ruling
from synthesis.checks import Check, RuleBroken
from synthesis.handing import Handover
from synthesis.loop import Loop, Scenario, Swap
from synthesis.models import SynthesisRequest
from synthesis.packaging import SUPPOSED, TABLE, TableFiles, parts
from synthesis.relating import RelatedWriter
from synthesis.stepping import Ask
from synthesis.texting import TextWriter

Decode = Callable[[IntArray], pd.DataFrame]
Shards = Iterable[tuple[IntArray, Swap]]
"""The shards of a table in order, each with what changes in it under the scenario."""
EVERY_ROW, REPLACED = "data", "data-what-if, replaced rows"
"""What texts are written for: each row of the first table, and those rows of the other that differ from it."""
OTHER_SEED = 1
"""Added to the seed for the cells of arriving records, so that those of the first table are what they always are."""


def files_of(request: SynthesisRequest, scenario: Scenario | None) -> tuple[str, ...]:
    if (related := relating.related_of(request)) is not None:
        return relating.all_files(related)
    return TABLE if scenario is None else (*TABLE, *SUPPOSED)


def writer(
    request: SynthesisRequest, loop: Loop, scenario: Scenario | None, *, settings: Mapping[str, Any], ask: Ask,
    beat: Callable[[], None], drawn: Shards | None = None, handover: Handover | None = None,
) -> Writer | RelatedWriter:  # fmt: skip
    """What writes this request's tables; ``settings`` are its run's."""
    if (related := relating.related_of(request)) is not None:
        return RelatedWriter(request, loop, related, settings, beat=beat)
    return Writer(request, loop, scenario, ask=ask, beat=beat, drawn=drawn, handover=handover)


class Writer:
    """One request's tables; ``ask`` has texts written, ``beat`` is called after each part.

    ``drawn``: the shards, where others drew them; they are those of the loop. ``handover`` is given every record.
    """

    def __init__(
        self,
        request: SynthesisRequest,
        loop: Loop,
        scenario: Scenario | None,
        *,
        ask: Ask,
        beat: Callable[[], None],
        drawn: Shards | None = None,
        handover: Handover | None = None,
    ) -> None:
        self.request, self.loop, self.scenario, self.beat, self.drawn = request, loop, scenario, beat, drawn
        self.handover = handover
        self.texts = TextWriter(request, ask)
        release, rules = selectors.released(request.release_key), ruling.rules(request)
        self.checks = [Check(release, rules) for _ in range(1 if scenario is None else 2)]
        self.replaced = 0

    def write(self, folder: Path) -> dict[str, Any]:
        """Write every table and return its report; RuleBroken where a record breaks a rule."""
        with ExitStack() as files:
            plain = files.enter_context(TableFiles(folder))
            other = files.enter_context(TableFiles(folder, SUPPOSED)) if self.scenario is not None else None
            for first, second in self.parts():
                plain.add(first)
                if other is not None:
                    other.add(second)
                self.beat()
        if any(check.violations for check in self.checks):
            raise RuleBroken
        return self.report()

    def report(self) -> dict[str, Any]:
        labels = selectors.columns(self.request.dataset, release=self.request.release_key).labels
        plain, *other = [check.report(labels, self.request.targets) for check in self.checks]
        plain |= {"texts": self.texts.report()}
        if not other:
            return plain
        return plain | {"under_what_if": other[0] | {"replaced": round(self.replaced / self.request.rows, 5)}}

    def parts(self) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """The same rows of both tables, as the input spells them."""
        for number, (shard, swap) in enumerate(self.shards()):
            decode, arrive = (self.decoder(more, number) for more in (0, OTHER_SEED))
            self.checks[0].add(shard)
            if self.handover is not None:
                self.handover.add(np.concatenate([shard, swap.arriving]))
            if self.scenario is not None:
                self.checks[1].add(swap.applied(shard))
                self.replaced += len(swap.arriving)
            for records, leaving, arriving in _in_parts(shard, swap):
                plain = self.texts.added(decode(records), records, EVERY_ROW)
                others = self.texts.added(arrive(arriving), arriving, REPLACED)
                yield plain, _exchanged(plain, leaving, others) if len(arriving) else plain

    def decoder(self, more: int, number: int) -> Decode:
        """Each shard has random numbers of its own, here as well."""
        request = self.request
        return selectors.decoder(request.dataset, seed=(request.seed + more, number), release=request.release_key)

    def shards(self) -> Shards:
        if self.drawn is not None:
            return self.drawn
        if self.scenario is not None:
            return self.loop.supposed(self.scenario, self.request.rows)
        return ((shard, nothing(shard)) for shard in self.loop.shards(self.request.rows))


def nothing(shard: IntArray) -> Swap:
    """No row leaves."""
    return Swap(np.zeros(len(shard), bool), shard[:0])


def _in_parts(shard: IntArray, swap: Swap) -> Iterator[tuple[IntArray, NDArray[np.bool_], IntArray]]:
    """Consecutive rows, which of them leave, and the records that take their places."""
    taken = 0
    for part in parts(len(shard)):
        leaving = swap.leaving[part]
        more = int(leaving.sum())
        yield shard[part], leaving, swap.arriving[taken : taken + more]
        taken += more


def _exchanged(plain: pd.DataFrame, leaving: NDArray[np.bool_], arriving: pd.DataFrame) -> pd.DataFrame:
    """The table with other rows in the places of those that leave."""
    arriving.index = plain.index[leaving]
    staying = plain[~leaving]
    return pd.concat([staying, arriving]).sort_index() if len(staying) else arriving
