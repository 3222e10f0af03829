"""A file with every kind of column goes all the way: uploaded, measured, and decoded as the file spells it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from privacy import mock, selectors
from privacy.schema import Schema
from tests import privacy_site, request_site
from tests.unit.test_privacy_mock import EVERY, recoded

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


def test_dates_groups_and_units_from_upload_to_decoding() -> None:
    house = request_site.make()
    changes = {key: value for key, value in json.loads(EVERY.text).items() if key not in ("population", "cap")}
    schema = Schema.parse(privacy_site.declaration(**changes))
    content = mock.table(schema, rows=600, seed=1).to_csv(index=False).encode()
    house.dataset = privacy_site.dataset(house.owner, content=content, **changes)
    request = house.measured()
    released = selectors.released(request.release_key)
    assert released.domain == schema.domain
    assert {"visit.month", "disease", "shop"} <= set(released.domain.columns)
    assert released.unit.k == 3
    table = selectors.decoder(house.dataset, seed=3)(mock.codes(schema, rows=50, seed=2))
    assert list(table.columns) == [name for name in schema.header if name not in ("who", "said")]
    assert (recoded(schema, table.astype(object).where(table.notna(), "").astype(str)) >= 0).all()
    again = selectors.decoder(house.dataset, seed=3)(mock.codes(schema, rows=50, seed=2))
    assert np.array_equal(table.fillna("").to_numpy(), again.fillna("").to_numpy())
