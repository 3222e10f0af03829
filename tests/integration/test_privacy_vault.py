"""The vault hands out passes over chunks: from memory or decrypted anew, the same rows; broken ones, never."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from privacy import chunks, ledger, measuring, places, plans, sealing, selectors, services, vault, vault_keys, wrapping
from privacy.dp.counting import BatchCounter
from privacy.errors import MeasuringFailed, SealBroken
from privacy.models import DatasetVersion
from privacy.values import Clique, IntArray, NoisyMarginal
from tests import privacy_site

pytestmark = pytest.mark.django_db(databases=["default", "log"])
ROWS = 1000


class Silent:
    def __init__(self, version: DatasetVersion) -> None:
        self.domain = selectors.domain(version.dataset)

    def expected(self, clique: Clique) -> IntArray:
        return np.zeros(clique.shape(self.domain), dtype=np.int64)

    def observe(self, marginal: NoisyMarginal) -> None:
        """Nothing is learnt."""


@pytest.fixture
def version(site: Any) -> DatasetVersion:
    """A table of several small chunks; the reading process has its own, larger ones, so it is sealed here."""
    privacy_site.make_keys()
    dataset = privacy_site.dataset(privacy_site.person("olivia", "owner"), content=privacy_site.table(ROWS))
    found = dataset.versions.get()
    (whole,) = vault.passes(found)()
    domain = selectors.domain(dataset)
    seal(found, [chunks.pack(columns, domain) for columns in chunks.slices(whole, 64)])
    return found


def seal(version: DatasetVersion, records: list[bytes]) -> None:
    context = str(version.pk)
    key = wrapping.open_key(places.wrapped_key(version.pk), vault_keys.private_keys(), context=context)
    with places.sealed(version.pk).open("wb") as file:
        sealer = sealing.Sealer(file, key.public_key(), context=context.encode())
        for record in records:
            sealer.write(record)
        sealer.close()


def tables(version: DatasetVersion) -> list[IntArray]:
    domain = selectors.domain(version.dataset)
    counter = BatchCounter(vault.passes(version), domain)
    return list(counter.tables([Clique.of(*pair) for pair in combinations(domain.columns, 2)]))


def test_memory_and_streaming_give_the_same_counts(version: DatasetVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    held = tables(version)
    monkeypatch.setattr(vault, "MOST_HELD", 0)
    streamed = tables(version)
    assert all((left == right).all() for left, right in zip(held, streamed, strict=True))
    assert held[0].sum() == ROWS


def test_a_large_table_is_decrypted_anew_chunk_by_chunk(
    version: DatasetVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "MOST_HELD", 0)
    again = vault.passes(version)
    for _ in range(2):
        lengths = [len(columns[0]) for columns in again()]
        assert lengths == [64] * 15 + [40]
    monkeypatch.undo()
    held = vault.passes(version)
    assert held() is held()


def test_a_small_table_is_held_whole_or_not_at_all(version: DatasetVersion) -> None:
    again, path = vault.passes(version), places.sealed(version.pk)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    for _ in range(2):
        with pytest.raises(SealBroken):
            again()
    path.write_bytes(whole)
    assert sum(len(columns[0]) for columns in again()) == ROWS


@pytest.mark.parametrize("held", [0, 2**28])
def test_a_file_that_breaks_off_ends_the_release_and_tells_nothing(
    version: DatasetVersion, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    """It was charged before it was opened, so the reservation is forfeited; no table comes of half the rows."""
    monkeypatch.setattr(vault, "MOST_HELD", held)
    dataset, rho, path = version.dataset, Decimal("0.5"), places.sealed(version.pk)
    path.write_bytes(path.read_bytes()[:-30])
    ledger.reserve(dataset=dataset, rho=rho, delta=Decimal(0), key="request 1", by="system")
    plan = plans.all_pairs(selectors.domain(dataset))
    release = services.open_release(dataset=dataset, rho=rho, plan=plan, key="request 1")
    with pytest.raises(MeasuringFailed, match="measuring stopped"):
        measuring.run(plan, Silent(version), release=release)
    assert not release.measurements.exists()
    assert selectors.budget(dataset.population_id).spent == rho


def test_chunks_that_do_not_fit_the_declaration_are_refused(version: DatasetVersion) -> None:
    seal(version, [b"\0" * 7])
    with pytest.raises(SealBroken, match="does not fit its declaration"):
        list(vault.passes(version)())
