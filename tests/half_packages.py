"""An act of tests.door_site: a package whose workers are killed in the middle of it, one after the other."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from tests.arrivals import folder
from tests.door_site import die, forked, house, open_door, plant_after, shut, wait_for
from tests.door_tasks import entries, lapse

DAY = 86_400


def half_packages() -> dict[str, Any]:
    """What is there, and what people see, after each kill; then what the last worker made of it."""
    from llmsynthor_site import disclosing
    from synthesis import packing, running

    earlier = set(packages().glob("*"))  # of the acts before
    request = approved()
    door = forked(lambda: open_door(""))
    wait_for((folder() / "door.sock").exists)
    told = {"in the table": killed(request, partial(running.synthesise, request), "table", earlier)}
    forked(partial(running.synthesise, request)).join(120)
    shut(door)
    forked(partial(disclosing.compare, request)).join(120)
    told["before the signature"] = killed(request, partial(packing.finish, request), "unsigned", earlier)
    told["before it is known"] = killed(request, partial(packing.finish, request), "signed", earlier)
    forked(partial(packing.finish, request)).join(120)
    return {"kills": told, "end": whole(request), "left": left_behind(earlier)}


def approved() -> str:
    """A request whose table is compared with the rows, so that its package is written in two steps."""
    from llmsynthor_site import joining
    from synthesis.models import SynthesisRequest
    from synthesis.states import Gate

    request = house().submitted(disclosure="charged", epsilon=Decimal("0.3"))
    for steward in (house().stella, house().stefan):
        house().vote(request, steward)
    joining.measure(str(request.pk))
    house().vote(SynthesisRequest.objects.get(pk=request.pk), house().stella, Gate.EGRESS)
    return str(request.pk)


def killed(request: str, work: Callable[[], None], point: str, earlier: set[Path]) -> dict[str, Any]:
    """Let a worker die there, and look; afterwards its lease is over."""
    worker = forked(partial(doomed, work, point))
    worker.join(120)
    seen = {"ended": worker.exitcode, **shown(request, earlier)}
    lapse(request)
    return seen


def doomed(work: Callable[[], None], point: str) -> None:
    from synthesis import packaging

    plant_after(point == "table", packaging.TableFiles, "add")
    plant_after(point == "signed", packaging, "sign")
    if point == "unsigned":
        packaging.sign = lambda *_: die()
    work()


def shown(request: str, earlier: set[Path]) -> dict[str, Any]:
    """The files of it that lie there, the request's page, and what each way to a package answers."""
    from django.conf import settings
    from django.test import Client

    from llmsynthor_site import health
    from synthesis.models import Package, SynthesisRequest

    settings.SECOND_FACTOR_ROLES = []  # nobody of this site has one
    ways = {"rosa": ("download/", "report/"), "stella": ("gate/output/", "report/")}
    clients = {name: Client(SERVER_NAME="localhost") for name in ways}
    for name, client in clients.items():
        client.force_login(getattr(house(), name))
    page = f"/requests/{request}/"
    asked = [(name, page + one) for name, ones in ways.items() for one in ones]
    answers = {f"{name} {one}": clients[name].get(one).status_code for name, one in asked}
    answers["rosa a link"] = clients["rosa"].post(f"{page}download/data.csv/").status_code
    shown_to_her = clients["rosa"].get(page).content.decode()
    found = SynthesisRequest.objects.get(pk=request)
    return {
        "files": sorted(path.name for one in begun(earlier) for path in one.iterdir()), "state": str(found.state),
        "said": found.get_state_display() in shown_to_her, "answers": answers,
        "packages": Package.objects.filter(run__request=found).count(),
        "jobs": sum(row["working"] for row in health.queues()),
    }  # fmt: skip


def packages() -> Path:
    return folder() / "packages"


def begun(earlier: set[Path]) -> list[Path]:
    """The folders of packages that were not there before, finished or not."""
    return sorted(set(packages().glob("*")) - earlier)


def whole(request: str) -> dict[str, Any]:
    """The package that came out, by the very verifier that people run."""
    from audit import keys, verify_package
    from synthesis import packaging
    from synthesis.models import SynthesisRequest

    found = SynthesisRequest.objects.get(pk=request)
    made = packaging.package_folder(str(found.run.package.pk))
    listed = {one["name"] for one in found.run.package.manifest["files"]} | {packaging.MANIFEST}
    return {
        "state": str(found.state), "findings": verify_package.verify(made, keys.packages().public).found,
        "strangers": sorted({path.name for path in made.iterdir()} ^ listed), "rows": rows(made / "data.csv"),
        "asked": found.rows, "built": entries(f"run:{found.run.pk}", "synthesis:package:built"),
    }  # fmt: skip


def rows(table: Path) -> int:
    return len(table.read_text().splitlines()) - 1


def left_behind(earlier: set[Path]) -> dict[str, int]:
    """How many folders lie there at once, and a day later, when the timed task has come by."""
    from synthesis import packing

    packing.discard_halves()
    before = len(begun(earlier))
    for path in packages().rglob("*"):
        os.utime(path, (path.stat().st_atime - 2 * DAY,) * 2)
    packing.discard_halves()
    return {"at once": before, "a day later": len(begun(earlier))}
