"""The demonstration's supervisor: no signal is lost, and a port that was taken stops nothing."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import postgres_server
from llmsynthor_site.demo import processes as demo
from llmsynthor_site.demo.processes import PortTaken, Processes, Stopped, free_port
from llmsynthor_site.management.commands import up
from llmsynthor_site.native.keeping import Kept

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """This test run's own handlers, put back."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


class Thing:
    """Something that can be finalised."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_inside_a_finalizer_is_raised_at_the_next_check(number: signal.Signals) -> None:
    def finalise() -> None:
        os.kill(os.getpid(), number)
        sum(range(10_000))  # the handler runs between two steps of the interpreter, still inside the finalizer

    with pytest.raises(Stopped), Processes() as processes:
        thing = Thing()
        weakref.finalize(thing, finalise)
        del thing  # Python prints and drops what the handler raises here
        assert processes.stopping
        processes.check()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_elsewhere_unwinds_at_once(number: signal.Signals) -> None:
    with pytest.raises(Stopped), Processes():
        os.kill(os.getpid(), number)
        raise AssertionError("went on after the signal")


SERVER = """
import socket, sys, time
port = int(sys.argv[-1].rpartition(":")[2])
listening = socket.create_server(("127.0.0.1", port))
print(f"Listening at: http://127.0.0.1:{port} (of the test)", flush=True)
time.sleep(60)
"""


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program has, which does not answer yet."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        yield other.getsockname()[1]


def test_a_port_is_free_when_it_can_be_had_not_when_nobody_answers(taken: int) -> None:
    assert free_port(taken) > taken
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert free_port(listening.getsockname()[1]) > listening.getsockname()[1]


def raced(monkeypatch: pytest.MonkeyPatch, module: Any, taken: int) -> None:
    """The first port that is looked at is taken by another program before it is used."""
    looked, find = [taken], module.free_port
    monkeypatch.setattr(module, "free_port", lambda *wanted: looked.pop() if looked else find(*wanted))


def test_a_server_whose_port_was_taken_is_started_at_another_one(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path, taken: int
) -> None:
    settings.SITE_DIR = tmp_path
    raced(monkeypatch, demo, taken)
    with Processes() as processes:
        port, child = processes.at_port(taken, "web", "-c", SERVER)
        assert port > taken
        assert processes.children == [child]
        processes.check()
        with pytest.raises(PortTaken):
            processes.at_port(taken, "other", "-c", "raise SystemExit(1)")
        processes.check()


@pytest.mark.skipif(not postgres_server.available(), reason="PostgreSQL is not installed")
def test_a_database_server_whose_port_was_taken_is_started_at_another_one(
    monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    raced(monkeypatch, postgres_server, taken)
    server = postgres_server.Server()
    try:
        assert server.port != taken
        assert server.sql("SELECT 1") == [(1,)]
    finally:
        server.close()


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="Redis is not installed")
def test_a_site_whose_brokers_port_was_taken_begins_again_with_another_one(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path, taken: int
) -> None:
    settings.SITE_DIR, changed = tmp_path, dict[str, str]()
    monkeypatch.setenv("BROKER_URL", f"redis://127.0.0.1:{taken}/0")
    monkeypatch.setattr(up, "again", changed.update)
    with Kept() as processes:
        up.Command().broker(processes)
        assert processes.children == []
        monkeypatch.setenv("BROKER_URL", changed.pop("BROKER_URL"))
        up.Command().broker(processes)
        assert changed == {}, "there it stays"
        processes.check()
