"""The report of a package for those who decide about it: the file itself, as whoever downloads it sees it."""

from __future__ import annotations

from uuid import UUID

from csp.constants import NONE, UNSAFE_INLINE
from csp.decorators import csp
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from synthesis import packaging
from synthesis.views.common import reviewed_request

NAME = "report.html"
ALONE = {"default-src": [NONE], "style-src": [UNSAFE_INLINE], "frame-ancestors": [NONE], "sandbox": True}
"""The file brings its style with it; it may fetch nothing, run nothing and be shown inside nothing."""


@require_safe
@csp(ALONE)  # type: ignore[arg-type]  # its stubs know views without arguments alone
def report_page(http: HttpRequest, pk: UUID) -> HttpResponse:
    """The file whose hash the manifest of gate C names, or no page: one that was changed is not shown."""
    request = reviewed_request(http, pk)
    package = getattr(getattr(request, "run", None), "package", None)
    named = {file["name"]: file["sha256"] for file in package.manifest["files"]} if package else {}
    path = packaging.package_folder(str(package.pk)) / NAME if package else None
    if path is None or NAME not in named or not path.is_file() or packaging.sha256_of(path) != named[NAME]:
        raise Http404("There is no report of this request, or it is not the one that was packed.")
    return HttpResponse(path.read_bytes(), content_type="text/html; charset=utf-8")
