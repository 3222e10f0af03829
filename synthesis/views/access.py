"""Who may download what was made from a dataset, and who has: for its owner and for those who review."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from privacy import selectors as privacy
from synthesis import selectors

PAGE = 25


@require_safe
def access_page(http: HttpRequest, dataset: UUID) -> HttpResponse:
    if not http.user.has_perm("synthesis.view_request"):
        raise PermissionDenied("Who may download is shown to a dataset's owner, to stewards and to auditors.")
    found = privacy.visible_dataset(http.user, dataset)
    if found is None:
        raise Http404("There is no such dataset, or you may not see it.")
    page = Paginator(selectors.grants_about(found), PAGE).get_page(http.GET.get("page"))
    return render(http, "synthesis/access.html", {"dataset": found, "page": page})
