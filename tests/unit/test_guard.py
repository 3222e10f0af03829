"""Where the wall inside a worker lets it go: what the settings name, however they name it, and nothing beside."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from llmsynthor_site import guard
from llmsynthor_site.guard import Reach

DOOR = "/site/door.sock"


def settings(broker: str = "filesystem://localhost", **database: Any) -> SimpleNamespace:
    databases = {"default": {"HOST": "", "PORT": "", **database}, "log": {}}
    return SimpleNamespace(DOOR_SOCKET=DOOR, DATABASES=databases, CELERY_BROKER_URL=broker)


@pytest.mark.parametrize(
    ("site", "paths", "services"),
    [
        (settings(), set(), set()),
        (settings("redis://broker:6379/0", HOST="db", PORT=5433), set(), {("broker", 6379), ("db", 5433)}),
        (settings("redis://10.0.0.7", HOST="db"), set(), {("10.0.0.7", 6379), ("db", 5432)}),
        (settings("redis+socket:///run/redis.sock"), {"/run/redis.sock"}, set()),
        (settings(HOST="/var/run/postgresql"), {"/var/run/postgresql/.s.PGSQL.5432"}, set()),
        (settings("amqps://user:secret@queue/"), set(), {("queue", 5671)}),
    ],
)
def test_the_settings_say_where_a_worker_may_go(
    site: SimpleNamespace, paths: set[str], services: set[tuple[str, int]]
) -> None:
    assert guard.reachable(site) == Reach(frozenset(paths | {DOOR}), frozenset(services))


REACH = Reach(frozenset({DOOR}), frozenset({("127.0.0.1", 6379), ("localhost", 5432)}))
TCP, UNIX, UDP = socket.AF_INET, socket.AF_UNIX, socket.AF_INET


@pytest.mark.parametrize(
    ("event", "family", "address", "passes"),
    [
        ("socket.connect", UNIX, DOOR, True), ("socket.connect", UNIX, DOOR.encode(), True),
        ("socket.connect", UNIX, "/run/docker.sock", False), ("socket.connect", UNIX, "\0hidden", False),
        ("socket.connect", TCP, ("127.0.0.1", 6379), True), ("socket.connect", TCP, ("127.0.0.1", 5432), True),
        ("socket.connect", TCP, ("127.0.0.1", 8000), False), ("socket.connect", TCP, ("93.184.216.34", 6379), False),
        ("socket.connect", socket.AF_INET6, ("2001:db8::1", 5432, 0, 0), False),
        ("socket.sendto", UDP, ("127.0.0.1", 6379), False), ("socket.bind", TCP, ("0.0.0.0", 6379), False),
        ("socket.bind", UNIX, DOOR, False), ("socket.sendmsg", TCP, None, True),
    ],
)  # fmt: skip
def test_an_address_passes_only_where_the_settings_lead(event: str, family: int, address: Any, passes: bool) -> None:
    """'localhost' is looked up again at each connection: a service that was started again may have moved."""
    watch = guard.hook(REACH)
    with socket.socket(family) as sock:
        if passes:
            watch(event, (sock, address))
            return
        with pytest.raises(guard.Refused):
            watch(event, (sock, address))


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("socket.getaddrinfo", ("example.org", 443, 0, 0, 0)), ("socket.gethostbyname", ("example.org",)),
        ("socket.gethostbyaddr", ("127.0.0.1",)), ("subprocess.Popen", ("true", [], None, None)),
        ("os.system", (b"true",)), ("os.exec", ("/bin/true", [], None)), ("ctypes.dlsym", (None, "connect")),
        ("os.posix_spawn", ("/bin/true", [], None)), ("pty.spawn", (["true"],)),
    ],
)  # fmt: skip
def test_other_names_and_programs_are_refused(event: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(guard.Refused):
        guard.hook(REACH)(event, arguments)


@pytest.mark.parametrize(
    ("event", "arguments"),
    [("socket.getaddrinfo", ("localhost", 5432)), ("open", ("/site/x", "r", 0)), ("ctypes.dlsym", (None, "cos")),
     ("os.fork", ()), ("socket.gethostname", ())],
)  # fmt: skip
def test_what_a_worker_needs_is_let_be(event: str, arguments: tuple[Any, ...]) -> None:
    guard.hook(REACH)(event, arguments)
