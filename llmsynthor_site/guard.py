"""The wall inside a worker: an audit hook (PEP 578) that lets it reach its own services and nothing else.

It stops Python code, whatever it imports and however it hides it. Native code that calls the kernel by itself
is stopped by the wall around the process: a network of its own (docs/door.md).
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

log = logging.getLogger(__name__)
DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671, "postgres": 5432, "postgresql": 5432}
PROGRAMS = frozenset({
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "pty.spawn",
})  # fmt: skip
LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
OTHER_NAMES = frozenset({"socket.gethostbyaddr", "socket.getnameinfo"})
SENDING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"})
NATIVE = frozenset({
    "socket", "connect", "send", "sendto", "sendmsg", "system", "popen", "execve", "execv", "execvp",
    "posix_spawn", "syscall", "getaddrinfo",
})  # fmt: skip


class Refused(PermissionError):
    """This process may not do that; only the door may."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a process may connect to: Unix sockets by path, and services by (host, port)."""

    paths: frozenset[str]
    services: frozenset[tuple[str, int]]


def reachable(settings: Any) -> Reach:
    """The door, the databases and the broker, as the settings name them."""
    paths, services = {os.fspath(settings.DOOR_SOCKET)}, set[tuple[str, int]]()
    for database in settings.DATABASES.values():
        add(database.get("HOST", ""), int(database.get("PORT") or DEFAULT_PORTS["postgres"]), paths, services)
    broker = urlsplit(settings.CELERY_BROKER_URL)
    if broker.scheme == "redis+socket":
        paths.add(unquote(broker.path))
    elif broker.scheme in DEFAULT_PORTS:
        add(broker.hostname or "localhost", broker.port or DEFAULT_PORTS[broker.scheme], paths, services)
    return Reach(frozenset(paths), frozenset(services))


def add(host: str, port: int, paths: set[str], services: set[tuple[str, int]]) -> None:
    if host.startswith("/"):
        paths.add(f"{host}/.s.PGSQL.{port}")
    elif host:
        services.add((host, port))


def install(reach: Reach) -> None:
    """From now on this process, and what it forks, is behind the wall; there is no way back."""
    sys.addaudithook(hook(reach))


def hook(reach: Reach) -> Callable[[str, tuple[Any, ...]], None]:
    """The rule as an audit hook: raises Refused for what this process may not do."""
    hosts = {host for host, _ in reach.services}

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if not event.startswith(("socket.", "subprocess.", "os.", "pty.", "ctypes.")):
            return
        if event in PROGRAMS:
            refuse(event, "starts no programs")
        if event in OTHER_NAMES or (event in LOOKUPS and arguments[0] not in hosts):
            refuse(event, "asks for no other names than its own services'")
        if event in SENDING and not allowed(reach, arguments[0].family, arguments[1], event):
            refuse(event, "reaches the door, its databases and its broker alone")
        if event in ("ctypes.dlsym", "ctypes.dlsym/handle") and str(arguments[1]) in NATIVE:
            refuse(event, "calls nothing of the system by hand")

    return watch


def allowed(reach: Reach, family: int, address: Any, event: str) -> bool:
    if address is None:
        return True  # sent on a connection that was allowed when it was made
    if family == socket.AF_UNIX:
        return event == "socket.connect" and os.fsdecode(address) in reach.paths
    if event != "socket.connect" or family not in (socket.AF_INET, socket.AF_INET6):
        return False
    return tuple(address[:2]) in reach.services or tuple(address[:2]) in resolved(reach)


def resolved(reach: Reach) -> set[tuple[Any, ...]]:
    """The services' addresses as their names stand now: a service that was started again may have a new one."""
    found = set[tuple[Any, ...]]()
    for host, port in reach.services:
        try:
            found |= {tuple(answer[4][:2]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        except OSError:
            continue
    return found


def refuse(event: str, rule: str) -> None:
    log.error("refused: %s", event)
    raise Refused(f"this process {rule} ({event})")
