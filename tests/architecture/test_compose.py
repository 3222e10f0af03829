"""The walls of ARCHITECTURE.md stand in docker/compose.yaml, and the processes are those that `make up` starts."""

from __future__ import annotations

import copy
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from docker.alive import alive
from llmsynthor_site.native.members import MEMBERS

ROOT = Path(__file__).resolve().parents[2]
OURS = {"prepare", "web", "measure", "synthesise", "mail", "beat", "submit", "door", "witness"}


def compose_file() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text()))


def services_with(compose: dict[str, Any], key: str, wanted: Callable[[str], bool]) -> set[str]:
    """The services of which one entry under ``key`` (a network, a volume, a secret) is wanted."""
    return {
        name for name, service in compose["services"].items()
        if any(wanted(one if isinstance(one, str) else one["source"]) for one in service.get(key, []))
    }  # fmt: skip


def closed(network: dict[str, Any]) -> bool:
    return bool(network.get("internal"))


def volume(name: str) -> Callable[[str], bool]:
    return lambda one: one.partition(":")[0] == name


def leaks(compose: dict[str, Any]) -> list[str]:
    """Every way in which the compose file's walls are not those of ARCHITECTURE.md and docs/door.md."""
    services = compose["services"]
    out = {name for name, network in compose["networks"].items() if not closed(network or {})}
    found = {
        "a route out": services_with(compose, "networks", out.__contains__) ^ {"door", "submit", "proxy", "provider"},
        "a way in": {name for name, service in services.items() if service.get("ports")} ^ {"proxy"},
        "the databases' network": services_with(compose, "networks", "state".__eq__)
        ^ (OURS - {"witness"} | {"db", "broker"}),
        "the provider keys": services_with(compose, "secrets", "provider_keys".__eq__) ^ {"door"},
        "the vault's key": services_with(compose, "secrets", "vault_key".__eq__) ^ {"measure"},
        "the sealed files": services_with(compose, "volumes", volume("vault")) ^ {"web", "measure"},
        "the door's socket": services_with(compose, "volumes", volume("socket")) ^ {"door", "synthesise"},
        "the door's count": services_with(compose, "volumes", "door:/site/door".__eq__) ^ {"door"},
        "the site's volume": services_with(compose, "volumes", volume("site")) ^ (OURS - {"witness"}),
        "anchors that nobody said are apart": {
            name for name in OURS - {"witness"}
            if "${ANCHORS:?" not in services[name].get("environment", {}).get("ANCHORS_APART", "")
            or "${ANCHORS:?" not in ((compose["volumes"]["anchors"] or {}).get("driver_opts", {}).get("device", ""))
        },
        "a look into the sealed files": {
            name for name in services_with(compose, "volumes", volume("site"))
            if name not in ("web", "measure") and "/site/vault" not in services[name].get("tmpfs", [])
        },
        "exact counts": {
            name for name in services_with(compose, "volumes", volume("site")) - {"prepare", "web", "measure", "mail"}
            if "/site/check-keys" not in services[name].get("tmpfs", [])
        },
        "a network of the host": {
            name for name, service in services.items() if not service.get("networks") or "network_mode" in service
        },
        "more rights than it needs": {
            name for name in OURS if not services[name].get("read_only") or services[name].get("cap_drop") != ["ALL"]
            or "privileged" in services[name] or "no-new-privileges:true" not in services[name].get("security_opt", [])
        },
    }  # fmt: skip
    return [f"{who}: {what}" for what, holders in found.items() for who in sorted(holders)]


def test_the_walls_stand() -> None:
    assert leaks(compose_file()) == []


def to_out(compose: dict[str, Any]) -> None:
    compose["services"]["synthesise"]["networks"] = ["state", "out"]


def open_front(compose: dict[str, Any]) -> None:
    compose["networks"]["front"] = {}


def not_internal(compose: dict[str, Any]) -> None:
    del compose["networks"]["state"]["internal"]


def host(compose: dict[str, Any]) -> None:
    compose["services"]["measure"]["network_mode"] = "host"


def default_network(compose: dict[str, Any]) -> None:
    del compose["services"]["mail"]["networks"]


def keys(compose: dict[str, Any]) -> None:
    compose["services"]["web"]["secrets"] = ["provider_keys"]


def vault(compose: dict[str, Any]) -> None:
    compose["services"]["door"]["tmpfs"] = ["/tmp"]


def sealed(compose: dict[str, Any]) -> None:
    compose["services"]["synthesise"]["volumes"].append("vault:/site/vault")


def exact(compose: dict[str, Any]) -> None:
    compose["services"]["synthesise"]["tmpfs"].remove("/site/check-keys")


def count(compose: dict[str, Any]) -> None:
    compose["services"]["mail"]["volumes"] = ["site:/site", "door:/site/door"]


def the_socket(compose: dict[str, Any]) -> None:
    compose["services"]["web"]["volumes"] = ["site:/site", "vault:/site/vault", "socket:/run/door"]


def past_the_proxy(compose: dict[str, Any]) -> None:
    compose["services"]["web"]["ports"] = ["8000:8000"]


def into_the_state(compose: dict[str, Any]) -> None:
    compose["services"]["proxy"]["networks"].append("state")


def as_root(compose: dict[str, Any]) -> None:
    compose["services"]["web"]["cap_drop"] = []


def beside_the_database(compose: dict[str, Any]) -> None:
    compose["volumes"]["anchors"] = None


HOLES = [to_out, open_front, not_internal, host, default_network, keys, vault, sealed, exact, count, the_socket,
         past_the_proxy, beside_the_database, into_the_state, as_root]  # fmt: skip


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_is_seen(hole: Callable[[dict[str, Any]], None]) -> None:
    compose = copy.deepcopy(compose_file())
    hole(compose)
    assert leaks(compose) != []


def test_the_processes_are_those_of_make_up() -> None:
    """Each service's command is what the supervisor of `make up` gives to Python, but for names and addresses."""
    services = compose_file()["services"]
    assert set(MEMBERS) == OURS - {"prepare", "witness"}
    for name, arguments in MEMBERS.items():
        if name == "web":
            continue
        command = [one for one in services[name]["command"] if one != "python"]
        assert command == [one for one in arguments if one != "-m"], name
    image = (ROOT / "docker" / "Dockerfile").read_text()
    started = ", ".join(f'"{one}"' for one in MEMBERS["web"][1:])
    assert f"CMD [{started}, " in image


def test_the_image_runs_as_nobody_in_particular() -> None:
    image = (ROOT / "docker" / "Dockerfile").read_text()
    assert image.count("\nFROM ") + image.startswith("FROM ") == 2, "what builds is not what runs"
    assert "\nUSER 10001\n" in image
    assert "--require-hashes" in image
    assert "HEALTHCHECK" in image


def test_outsiders_see_no_figures() -> None:
    assert "location ~ ^/(metrics|ready|health)$ { return 404; }" in (ROOT / "docker" / "nginx.conf").read_text()


class Fine(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def test_a_container_is_alive_when_it_answers(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Fine) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert alive(f"{address}/health")
        assert not alive(f"{address}/broken")
        server.shutdown()
    assert not alive(f"{address}/health")
    path = str(tmp_path / "door.sock")
    assert not alive(path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        assert alive(path)
