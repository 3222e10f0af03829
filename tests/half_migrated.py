"""Acts on databases that are half migrated: ``python -m tests.half_migrated`` with SITE_DIR set, one JSON list a line.

Whoever migrates is a process of its own that runs ``manage.py migrate``, as Django's command line does, and is killed.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import django

from tests.door_site import die, forked, plant_after

os.environ["DJANGO_SETTINGS_MODULE"] = "llmsynthor_site.settings"
COUNT = 837491


def older() -> dict[str, Any]:
    """The databases of an older version, from before counts without noise were sealed: one lies in the open."""
    whole = [migrate("log"), migrate("default")]
    back = [migrate("default", "synthesis", "0014"), migrate("default", "privacy", "0009")]
    planted()
    return {"ended": [*whole, *back]}


def migrate(alias: str, *target: str, point: str = "") -> int | None:
    """How ``manage.py migrate`` ended."""
    command = ["manage.py", "migrate", *target, "--database", alias, "--verbosity", "0"]

    def work() -> None:
        from django.core.management import execute_from_command_line

        doomed(point)
        execute_from_command_line(command)

    child = forked(work)
    child.join(240)
    return child.exitcode if child.exitcode is None else int(child.exitcode)


def doomed(point: str) -> None:
    """Let this process die in the middle of the data, or when a migration's last statement was carried out."""
    from django.db.migrations.recorder import MigrationRecorder

    from privacy import check_seals

    plant_after(point == "data", check_seals, "sealed")
    if point == "noting":
        honest = MigrationRecorder.record_applied

        def record(recorder: Any, app: str, name: str) -> None:
            if (app, name) == NOTED:
                die()
            honest(recorder, app, name)

        MigrationRecorder.record_applied = record


NOTED = ("synthesis", "0015_reused_release")
"""A migration with a foreign key, which Django itself carries out and commits before it notes it as done."""


def planted() -> None:
    """A check from before, without any of the code of today."""
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader
    from django.utils import timezone

    loader = MigrationLoader(connection)
    newest = [node for node in loader.graph.leaf_nodes() if node[0] == "llmsynthor_site"]
    apps = loader.project_state([("privacy", "0009_sources"), *newest]).apps

    def made(model: str, **values: Any) -> Any:
        return apps.get_model(*model.split("."))._base_manager.create(**values)

    owner = made("llmsynthor_site.User", username="olivia")
    population = made("privacy.Population", name="people", key="people", owner=owner, delta="0.001")
    dataset = made("privacy.Dataset", title="Small", owner=owner, population=population, declaration="{}")
    version = made("privacy.DatasetVersion", dataset=dataset, number=1, size_bytes=1, rows_read=1, rows_kept=1,
                   uploaded_by=owner)  # fmt: skip
    reserved = made("privacy.LedgerEntry", population=population, dataset=dataset, kind="RESERVE", rho=1, key="one")
    ended = {"state": "MEASURED", "finished_at": timezone.now()}
    release = made("privacy.ReleaseRecord", version=version, reservation=reserved, key="one", plan={}, domain=[],
                   unit={}, rho=1, **ended)  # fmt: skip
    told = [{"question": "q", "count": COUNT, "sigma": 0.0, "measurement": ""}]
    made("privacy.CheckRecord", release=release, key="one", table="0" * 64, radius=1, results=told, **ended)


def killed(point: str) -> dict[str, Any]:
    """A migration that dies there: how it ended, what the site says then, and what is left of the count."""
    return {"ended": migrate("default", point=point), **standing()}


def ended_well() -> dict[str, Any]:
    return {"ended": migrate("default"), **standing()}


def standing() -> dict[str, Any]:
    """What web server and worker say when they start, what /ready answers, and what is stored of the check."""
    from django.db import connection

    from llmsynthor_site import celery, migrating
    from llmsynthor_site.operations import probes

    with connection.cursor() as cursor:
        cursor.execute("SELECT results FROM privacy_checkrecord")
        (results,) = cursor.fetchone()
        columns = [one.name for one in connection.introspection.get_table_description(cursor, "privacy_checkrecord")]
    ready = probes.ready(None)
    said = {"web": refused(start_web), "worker": refused(celery.stop_without_a_whole_log)}
    connection.close()
    return {
        "said": said, "ready": ready.status_code, "parts": json.loads(ready.content)["parts"],
        "missing": migrating.missing("default"), "results": str(results), "columns": columns,
    }  # fmt: skip


def start_web() -> None:
    sys.modules.pop("llmsynthor_site.wsgi", None)
    import llmsynthor_site.wsgi  # noqa: F401 - this is what a web server does


def refused(start: Any) -> str:
    from django.core.exceptions import ImproperlyConfigured

    try:
        start()
    except (ImproperlyConfigured, SystemExit) as problem:
        return str(problem)
    return ""


def sealed() -> dict[str, Any]:
    """What the sealed count opens to, with the code of today."""
    from privacy import exact_counts
    from privacy.models import CheckRecord

    return {"count": exact_counts.opened(CheckRecord.objects.get().key)[0]["count"]}


def main() -> None:
    from audit import keys

    django.setup()
    import llmsynthor_site.urls  # noqa: F401 - loaded once, before anything is forked

    keys.make()
    acts = {act.__name__: act for act in (older, killed, ended_well, sealed)}
    for line in sys.stdin:
        act, *arguments = json.loads(line)
        print(json.dumps(acts[act](*arguments)), flush=True)


if __name__ == "__main__":
    main()
