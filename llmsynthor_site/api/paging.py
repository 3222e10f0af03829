"""Lists in pages. A cursor holds the last row seen: the last page is as quick as the first, and nothing is counted."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class Cursor(CursorPagination):
    page_size = 25
    max_page_size = 100
    page_size_query_param = "size"

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        return tuple(getattr(view, "ordering", ("-pk",)))
