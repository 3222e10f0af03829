"""Queries as text, for the few that every prompt asks several times: there, making the SQL took longer than running it.

The tables' names are Django's; what is found are ordinary rows of the model.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model

Row = TypeVar("Row", bound=Model)


def one(model: type[Row], text: str, *values: Any) -> Row | None:
    """The first row that ``text`` selects, on the database that the model's router names; None where there is none."""
    return next(iter(model._default_manager.raw(text, values)), None)
