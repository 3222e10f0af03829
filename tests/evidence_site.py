"""Packs for tests: two requests of which one is released and downloaded, and what to do to a pack to break it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from audit import bags, check_evidence, keys
from audit.notes import PrivateKey
from audit.selection import Scope
from llmsynthor_site.evidence.making import make
from synthesis import delivery
from synthesis.licence import LICENCE_VERSION
from synthesis.models import DownloadGrant, SynthesisRequest
from tests import request_site


@dataclass(frozen=True)
class Two:
    """The request a pack is about, and another one on the same site."""

    house: request_site.Site
    ours: SynthesisRequest
    other: SynthesisRequest


def two_requests() -> Two:
    """Needs an open door."""
    house = request_site.make()
    other = house.released(title="Somebody else's table", epsilon=Decimal("0.5"))
    ours = house.released(title="Pay for a class in statistics")
    download(house, ours)
    return Two(house, ours, other)


def download(house: request_site.Site, request: SynthesisRequest) -> None:
    grant = DownloadGrant.objects.get(package__run__request=request)
    delivery.accept_licence(by=house.rosa, grant=grant, version=LICENCE_VERSION)
    grant.refresh_from_db()
    delivery.redeem(by=house.rosa, token=delivery.make_link(by=house.rosa, grant=grant, file_name="quality.json"))


def pack_of(scope: Scope, folder: Path, *, by: object = "console") -> Path:
    """A pack, unpacked; its ZIP file lies beside it as pack.zip."""
    make(scope, by=by, reason="the yearly check", target=folder / "pack.zip")
    return bags.unpack(folder / "pack.zip", folder / "open")


def findings(pack: Path, key: str = "") -> list[str]:
    """What the checker says, one line per finding of either part."""
    report = check_evidence.check(pack, key=key or str(keys.public()))
    found = [*report.findings, *report.log["findings"]]
    assert (report.verdict == "broken") == bool(found)
    return [f"{one['check']}: {one['place']}: {one['message']}" for one in found]


def closed_again(bag: Path, key: PrivateKey) -> Path:
    """The same bag after changes by somebody who holds the log's key: only what the log says can betray them."""
    for name in ("bagit.txt", "bag-info.txt", *bags.MANIFESTS.values(), bags.TAG_MANIFEST[1], bags.SIGNATURE):
        (bag / name).unlink()
    bags.close(bag, info={}, key=key)
    return bag
