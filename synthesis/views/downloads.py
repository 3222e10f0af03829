"""The end of the way: terms, files, single-use links, receipts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from synthesis import delivery, packaging, selectors
from synthesis.forms import LicenceForm, add_refusal
from synthesis.licence import LICENCE_TEXT, LICENCE_VERSION
from synthesis.models import DownloadGrant
from synthesis.views.common import visible_request

ABOUT = {
    "data.csv": "The synthetic table, for any spreadsheet or script.",
    "data.parquet": "The same table with its column types.",
    "data.xlsx": "The same table as a workbook; formulas are disarmed as in data.csv.",
    "report.html": "What the table is fit for, with drawings; opens in any browser, offline.",
    "quality.json": "The figures behind the report: agreement with the noised statistics.",
    "datacard.md": "What the table is, why it was made, what it holds, and what not to use it for.",
    "processing.csv": "A line for the controller's records of processing (GDPR, Article 30).",
    "dpia.md": "A draft of the data protection impact assessment, filled where this site knows.",
    "deployment.yaml": "A draft entry for the public registry of deployments of differential privacy.",
    "data-what-if.csv": "The table under the what-if sentence, which departs from the statistics by design.",
    "data-what-if.parquet": "The same table with its column types.",
    "README.md": "What this is, how it was made, and how to cite its privacy statement.",
    "guarantee.txt": "What the table's privacy guarantee says, exactly and in plain words, and what it does not cover.",
    "VERIFY.txt": "How to check the files with tools that everybody has.",
    "datapackage.json": "The table described for Frictionless tools.",
    "croissant.json": "The table described in Croissant, as catalogues and machine-learning tools read it.",
    "prov.json": "What it was derived from, step by step (PROV-JSON).",
    "sha256sums.txt": "The SHA-256 of the files, as sha256sum reads them.",
    "attestation.json": "The site's signature over every file (in-toto statement, DSSE envelope, Ed25519).",
    "manifest.json": "Every file with its SHA-256, the privacy loss, and what made it.",
}


def my_grant(http: HttpRequest, pk: UUID) -> DownloadGrant:
    request = visible_request(http, pk)
    return get_object_or_404(selectors.grants_of(http.user), package__run__request=request)


def files_of(grant: DownloadGrant) -> list[dict[str, Any]]:
    listed = [*grant.package.manifest["files"], {"name": "manifest.json", "sha256": grant.package.content_hash}]
    about = ABOUT | {
        name: f"{words} {table['rows']:,} rows of {table['name']}."
        for table in grant.package.manifest.get("tables", [])
        for name, words in zip(table["files"], ("For any spreadsheet or script:", "With column types:"), strict=True)
    }
    return [file | {"about": about.get(file["name"], "")} for file in listed]


def hash_in(files: list[dict[str, Any]], name: str) -> str:
    return next((file["sha256"] for file in files if file["name"] == name), "")


@require_http_methods(["GET", "HEAD", "POST"])
def download_page(http: HttpRequest, pk: UUID) -> HttpResponse:
    grant = my_grant(http, pk)
    delivery.check_grant(grant, http.user)
    form = LicenceForm(http.POST or None, initial={"version": LICENCE_VERSION})
    if http.method == "POST" and form.is_valid():
        try:
            delivery.accept_licence(by=http.user, grant=grant, version=form.cleaned_data["version"])
            return redirect("request-download", pk)
        except ValidationError as refusal:
            add_refusal(form, refusal)
    return render(http, "synthesis/download.html", {
        "grant": grant,
        "request_": grant.package.run.request,
        "accepted": bool(grant.licence_accepted_at) and grant.licence_version == LICENCE_VERSION,
        "licence": LICENCE_TEXT,
        "licence_version": LICENCE_VERSION,
        "files": (files := files_of(grant)),
        "sums": hash_in(files, packaging.SUMS),
        "table_hash": hash_in(files, "data.parquet"),
        "receipts": grant.receipts.all(),
        "link_minutes": delivery.LINK_MINUTES,
        "form": form,
    })  # fmt: skip


@require_POST
def make_link(http: HttpRequest, pk: UUID, file_name: str) -> HttpResponse:
    """A fresh link for one file, followed at once."""
    try:
        token = delivery.make_link(by=http.user, grant=my_grant(http, pk), file_name=file_name)
    except ValidationError as refusal:
        raise Http404(" ".join(refusal.messages)) from None
    return redirect("download-file", token)


@require_GET  # not HEAD: looking at a link must not use it up
@never_cache
def download_file(http: HttpRequest, token: str) -> HttpResponseBase:
    path, receipt = delivery.redeem(by=http.user, token=token)
    return FileResponse(path.open("rb"), as_attachment=True, filename=receipt.file_name)
