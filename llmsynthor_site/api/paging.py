"""Lists in pages. A cursor holds the last row seen: the last page is as quick as the first, and nothing is counted.

What a service hands out as a list already, worked out as a whole, goes on by its place instead; a caller sees no
difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

FURTHEST = 10**9


class Cursor(CursorPagination):
    page_size = 25
    max_page_size = 100
    page_size_query_param = "size"

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        return tuple(getattr(view, "ordering", ("-pk",)))

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """A page of a query, or of a list that is worked out already. NotFound for a cursor that is none."""
        self.places: tuple[int | None, int | None] | None = None
        if isinstance(queryset, QuerySet):
            return super().paginate_queryset(queryset, request, view)
        return self.part_of(queryset, request)

    def part_of(self, found: Sequence[Any], request: Request) -> list[Any]:
        size, asked = self.get_page_size(request) or self.page_size, request.query_params.get("cursor", "0")
        if not asked.isdecimal() or int(asked) > FURTHEST:
            raise NotFound("Invalid cursor")
        at, self.base_url = int(asked), request.build_absolute_uri()
        self.places = (at + size if at + size < len(found) else None, max(0, at - size) if at else None)
        return list(found[at : at + size])

    def get_next_link(self) -> str | None:
        return super().get_next_link() if self.places is None else self.link_to(self.places[0])

    def get_previous_link(self) -> str | None:
        return super().get_previous_link() if self.places is None else self.link_to(self.places[1])

    def link_to(self, place: int | None) -> str | None:
        return None if place is None else replace_query_param(str(self.base_url), "cursor", place)
