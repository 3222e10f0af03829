"""`make up`: the processes of the compose file on PostgreSQL and Redis, a request through all of them, their end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import postgres_server
from llmsynthor_site.management.commands.up import names
from tests import privacy_site
from tests.integration.test_demo import environment, processes_of

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    not postgres_server.available() or shutil.which("redis-server") is None,
    reason="NOT TESTED HERE: the processes of production need PostgreSQL and Redis",
)


@pytest.fixture(scope="module")
def server() -> Iterator[postgres_server.Server]:
    running = postgres_server.Server()
    yield running
    running.close()


class Up:
    """One run of the command, read as it goes."""

    def __init__(self, server: postgres_server.Server, folder: Path, *options: str) -> None:
        self.output = folder / "output"
        command = [sys.executable, "manage.py", "up", "--server", server.url("postgres"), "--synthesise", "1", *options]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment() | {"MEASURING_BASE_SECONDS": "0"},
            stdout=self.output.open("wb"), stderr=subprocess.STDOUT,
        )  # fmt: skip

    def wait_for(self, text: str) -> str:
        until = time.monotonic() + 240
        while text not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < until, self.output.read_text()
            time.sleep(0.1)
        return self.output.read_text()

    @property
    def site(self) -> Path:
        return Path(self.wait_for("\n").split("new site", 1)[1].split("\n", 1)[0].strip())


def kill(site: Path, what: str) -> None:
    """Power off one process of this site and what it started."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            mine = str(site).encode() in (process / "environ").read_bytes()
        except OSError:
            continue
        if mine and what in line:
            os.kill(int(process.name), signal.SIGKILL)


def databases(server: postgres_server.Server, site: Path) -> list[tuple[object, ...]]:
    wanted = ", ".join(f"'{name}'" for name in names(site.name))
    return server.sql(f"SELECT datname FROM pg_database WHERE datname IN ({wanted})")


def test_a_request_goes_through_every_process_and_outlives_a_worker(
    server: postgres_server.Server, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_bytes(privacy_site.table(400))
    (tmp_path / "t.json").write_text(privacy_site.declaration())
    up = Up(server, tmp_path, "--once", "--data", str(tmp_path / "t.csv"), "--schema", str(tmp_path / "t.json"))
    up.wait_for("submitted")
    try:
        running = " ".join(processes_of(up.site))
        for member in ("run_door", "-Q measure", "-Q synthesise", "-Q mail", "-Q witness", "beat", "gunicorn",
                       "audit.witness"):  # fmt: skip
            assert member in running, running
        assert len(databases(server, up.site)) == 2
        kill(up.site, "-Q synthesise")
        assert up.process.wait(300) == 0, up.output.read_text()
        said = up.output.read_text()
        assert "synthesise1 ended with status -9 and is started again" in said
        assert "beat ended" not in said
        line = json.loads(said.splitlines()[-1])
        assert (ROOT / line["package"] / "data.csv").read_text().startswith("sex,age,pay")
        assert line["iterations"] >= 1
        assert processes_of(up.site) == []
        assert databases(server, up.site) == []
    finally:
        up.process.kill()
        shutil.rmtree(up.site)


@pytest.mark.long_only
def test_a_signal_ends_all_of_it(server: postgres_server.Server, tmp_path: Path) -> None:
    up = Up(server, tmp_path)
    up.wait_for("Ctrl-C stops it")
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(60) == 0
    assert processes_of(up.site) == []
    assert databases(server, up.site) == []
    shutil.rmtree(up.site)
