"""Downloads through the gate: accepted terms, a link that works once, a receipt for every file."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone

from audit import events
from audit.actors import actor
from synthesis import packaging, policies
from synthesis.licence import LICENCE_TEXT, LICENCE_VERSION
from synthesis.models import DownloadGrant, DownloadLink, Receipt

LINK_MINUTES = 10


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def check_grant(grant: DownloadGrant, user: Any) -> None:
    """The grant is this person's, of a package still released, neither revoked nor expired."""
    if grant.user_id != user.pk or not policies.may_download(grant.package.run.request, user):
        raise PermissionDenied("This package was not granted to you, or it is no longer released.")
    if grant.revoked_at is not None or grant.expires_at < timezone.now():
        raise PermissionDenied("Your grant has expired or was revoked. Ask for the table again.")


def check_accepted(grant: DownloadGrant) -> None:
    """The terms in force were accepted: asked before a link is made and again before it is used."""
    if grant.licence_accepted_at is None or grant.licence_version != LICENCE_VERSION:
        raise PermissionDenied("Accept the terms of use first.")


@transaction.atomic
def accept_licence(*, by: Any, grant: DownloadGrant, version: str) -> None:
    check_grant(grant, by)
    if version != LICENCE_VERSION:
        raise ValidationError("The terms have changed since this page was loaded. Read them again.")
    grant.licence_version, grant.licence_accepted_at = version, timezone.now()
    grant.save(update_fields=["licence_version", "licence_accepted_at"])
    facts = {"grant": str(grant.pk), "package": str(grant.package_id), "user": actor(by),
             "licence": version, "licence_sha256": hashlib.sha256(LICENCE_TEXT.encode()).hexdigest()}  # fmt: skip
    events.record(action="synthesis:licence:accepted", by=actor(by), subject=f"package:{grant.package_id}", facts=facts)


@transaction.atomic
def make_link(*, by: Any, grant: DownloadGrant, file_name: str) -> str:
    """A token that lets this person fetch this file once, within ten minutes. Only its hash is stored."""
    check_grant(grant, by)
    check_accepted(grant)
    if file_name not in file_names(grant):
        raise ValidationError("The package has no file of that name.")
    token = secrets.token_urlsafe(32)
    until = timezone.now() + timedelta(minutes=LINK_MINUTES)
    DownloadLink.objects.create(grant=grant, token_hash=token_hash(token), file_name=file_name, expires_at=until)
    return token


def file_names(grant: DownloadGrant) -> list[str]:
    return [file["name"] for file in grant.package.manifest["files"]] + ["manifest.json"]


def redeem(*, by: Any, token: str) -> tuple[Path, Receipt]:
    """Use a link: returns the file to serve and the receipt, whose event is in the log before a byte leaves."""
    with transaction.atomic():
        link = _use_link(by, token)
        path = packaging.package_folder(str(link.grant.package_id)) / link.file_name
        receipt = _write_receipt(by, link, path)
    events.flush()
    return path, receipt


def _use_link(by: Any, token: str) -> DownloadLink:
    link = (
        DownloadLink.objects.select_related("grant__package__run__request").filter(token_hash=token_hash(token)).first()
    )
    if link is None or link.grant.user_id != by.pk:
        raise PermissionDenied("This link is not yours.")
    check_grant(link.grant, by)
    check_accepted(link.grant)
    unused = DownloadLink.objects.filter(pk=link.pk, used_at=None, expires_at__gt=timezone.now())
    if not unused.update(used_at=timezone.now()):
        raise PermissionDenied("This link was used already or has expired. Make a new one on the download page.")
    return link


def _write_receipt(by: Any, link: DownloadLink, path: Path) -> Receipt:
    if not path.is_file():
        raise PermissionDenied("The file is not here any more; it was not sent, and the link was not used up.")
    digest = packaging.sha256_of(path)
    expected = {file["name"]: file["sha256"] for file in link.grant.package.manifest["files"]}
    expected["manifest.json"] = link.grant.package.content_hash
    if digest != expected[link.file_name]:
        raise PermissionDenied("The file no longer matches the manifest that was approved; it was not sent.")
    receipt = Receipt.objects.create(
        grant=link.grant, link=link, user=by, file_name=link.file_name, file_hash=digest,
        licence_version=link.grant.licence_version,
    )  # fmt: skip
    facts = {"package": str(link.grant.package_id), "user": actor(by), "file": link.file_name, "sha256": digest,
             "licence": link.grant.licence_version, "grant": str(link.grant_id)}  # fmt: skip
    events.record(
        action="synthesis:download:served", by=actor(by), subject=f"package:{link.grant.package_id}", facts=facts
    )
    return receipt
