"""One whole story on one table, told under frozen chance: what everybody but the vault and the owner may carry.

``python -m tests.noninterference`` prepares a site, then reads one JSON object a line ({"table": ..., "leak": ...})
and answers with one: every page, prompt, log entry, stored row, package file and message, as text. Noise and
selection are stubbed to constants, and clock, identifiers and salts are frozen, so that whatever still differs
between two tables came from their rows. Left out: the vault's ciphertext, and what the owner's uploads said of
themselves (the facts of a version, which researchers never see).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import logging
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django

from tests.planted_leaks import plant

os.environ["DJANGO_SETTINGS_MODULE"] = "llmsynthor_site.settings"
MOMENT = datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC)
OWNERS_OWN = {"privacy_datasetversion"}
"""Name, size, rows and fingerprint of an upload: for owner, reviewers and auditors, and in no page told here."""

CODE = {"name": "code", "type": "string", "other": "another", "publicLabels": True,
        "discover": {"maxKeys": 5, "maxLength": 10, "delta": "1e-8"}}  # fmt: skip
"""A column whose categories are unknown: what is found in it is stubbed, all else about it must not show."""


def freeze() -> None:
    """The same bytes of chance in every story; the same moment all along."""
    drawn = [0]

    def chance(length: int) -> bytes:
        drawn[0] += 1
        stream = hashlib.shake_256(b"chance %d" % drawn[0])
        return stream.digest(length)

    time.time = lambda: MOMENT.timestamp()
    os.urandom = random._urandom = chance
    from django.utils import timezone

    from privacy import pacing

    timezone.now = lambda: MOMENT
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith(("audit", "privacy", "synthesis", "llmsynthor_site")):
            with contextlib.suppress(AttributeError):
                module.timezone.now = timezone.now
    from django.db.models import DateTimeField

    DateTimeField.pre_save = _stamped
    pacing.Tick.wait = lambda tick, beat: beat()
    pacing.Tick.overrun = False


def _stamped(field: Any, instance: Any, add: bool) -> Any:
    if field.auto_now or (field.auto_now_add and add):
        setattr(instance, field.attname, MOMENT)
    return getattr(instance, field.attname)


def stub_the_door() -> None:
    """Constants out of every mechanism, of the right shape; what goes in is dropped."""
    import numpy as np

    from privacy.dp import opendp_door

    opendp_door.GaussianVector.release = lambda door, counts: 40 + np.arange(len(counts), dtype=np.int64) % 7
    opendp_door.NoisyMax.choose = lambda door, scores: 0
    opendp_door.KeyThreshold.release = lambda door, counts: {"kilo": 90, "lima": 80}


def prepare() -> Any:
    from django.core.management import call_command

    from audit import keys
    from privacy import services
    from tests import privacy_site, request_site

    for alias in ("default", "log"):
        call_command("migrate", database=alias, verbosity=0)
    keys.make()
    privacy_site.make_keys()
    names = [("olivia", "owner"), ("stella", "steward"), ("stefan", "steward"), ("rosa", "researcher"),
             ("amir", "auditor"), ("ada", "admin")]  # fmt: skip
    people = [privacy_site.person(name, role) for name, role in names]
    declaration = privacy_site.declaration(
        maximumRows=5000, fields=[*privacy_site.FIELDS, CODE],
        cap={"rho": "2", "delta": "1e-6", "discoveryDelta": "1e-7"},
    )  # fmt: skip
    dataset = services.register_dataset(by=people[0], declaration=declaration)
    owner, stella, stefan, rosa, amir, ada = people
    return request_site.Site(owner, stella, stefan, rosa, amir, ada, dataset)


def tell(house: Any, table: bytes, leak: str) -> dict[str, str]:
    """The whole story on one table, and everything it left behind where somebody may look."""
    from privacy import services
    from tests.request_site import open_door

    heard = io.StringIO()
    logging.getLogger().addHandler(logging.StreamHandler(heard))
    found: dict[str, str] = {}
    services.receive_upload(by=house.owner, dataset=house.dataset, stream=io.BytesIO(table), filename="t.csv")
    if leak:
        plant(leak, table)
    with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard), open_door():
        request = house.released()
        broken = house.submitted(title="Fails")
        fail_half_way(house, broken)
    found |= {"request": str(request.state), "broken": str(broken.pk)}
    found |= pages(house, [request, broken]) | stored() | files()
    return found | {"heard": heard.getvalue()}


def fail_half_way(house: Any, request: Any) -> None:
    """The exact stage stumbles over a value, and says so as loudly as it can."""
    from llmsynthor_site import joining
    from privacy.dp import execution

    honest = execution._Run._tell

    def stumbling(run: Any, marginal: Any) -> None:
        counts = run.counter.counts(marginal.clique)
        raise ValueError(f"a table such as {counts.tolist()}")

    execution._Run._tell = stumbling
    for steward in (house.stella, house.stefan):
        house.vote(request, steward)
    joining.measure(str(request.pk))
    execution._Run._tell = honest


def pages(house: Any, requests: list[Any]) -> dict[str, str]:
    """What a researcher is shown, and what a browser gets where the researcher may not look."""
    from django.test import Client

    client = Client(raise_request_exception=False)
    client.force_login(house.rosa, backend="llmsynthor_site.backends.RoleBackend")
    paths = ["/", "/datasets/", f"/datasets/{house.dataset.pk}/", f"/datasets/{house.dataset.pk}/upload/", "/requests/",
             f"/requests/new/?dataset={house.dataset.pk}", "/log/", "/help/", "/nowhere/"]  # fmt: skip
    for request in requests:
        here = f"/requests/{request.pk}/"
        paths += [here, *(here + part for part in ("run/", "run/progress/", "prompts/", "download/", "gate/egress/"))]
    told = {}
    for path in paths:
        answer = client.get(path, SERVER_NAME="localhost")
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        told[path] = f"{answer.status_code} {sorted(answer.headers.items())} {body.decode()}"
    return told


def stored() -> dict[str, str]:
    """Every row of both databases but the owner's own, prompts and released tables included."""
    from django.db import connections

    from audit import bodies
    from audit.models import Body

    told = {}
    for alias in ("default", "log"):
        with connections[alias].cursor() as cursor:
            for table in sorted(set(connections[alias].introspection.table_names(cursor)) - OWNERS_OWN):
                cursor.execute(f'SELECT * FROM "{table}"')
                told[f"{alias}.{table}"] = repr(cursor.fetchall())
    told["bodies"] = repr([(body.pk, bodies.decrypted(body)) for body in Body.objects.order_by("pk")])
    return told


def files() -> dict[str, str]:
    """The packages, as they would be downloaded."""
    from django.conf import settings

    root = Path(settings.SITE_DIR) / "packages"
    return {
        f"file {path.relative_to(root)}": path.read_bytes().hex() for path in sorted(root.rglob("*")) if path.is_file()
    }


def forked(house: Any, order: dict[str, str]) -> dict[str, str]:
    """Tell one story in a child of this process, so that the next one finds the same site."""
    back, front = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        with os.fdopen(front, "w") as pipe:
            try:
                freeze()
                stub_the_door()
                told = tell(house, base64.b64decode(order["table"]), order["leak"])
                pipe.write(json.dumps(told))
                code = 0
            except BaseException as problem:
                import traceback

                pipe.write(json.dumps({"problem": "".join(traceback.format_exception(problem))}))
        os._exit(code)
    os.close(front)
    with os.fdopen(back) as pipe:
        answer: dict[str, str] = json.loads(pipe.read())
    os.waitpid(child, 0)
    return answer


@contextlib.contextmanager
def site_of_its_own() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="story-"))
    os.environ["SITE_DIR"] = str(folder / "site")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    with site_of_its_own() as folder:
        django.setup()
        from django.db import connections

        house = prepare()
        connections.close_all()
        shutil.copytree(folder / "site", folder / "kept")
        for line in sys.stdin:
            shutil.rmtree(folder / "site")
            shutil.copytree(folder / "kept", folder / "site")
            print(json.dumps(forked(house, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
