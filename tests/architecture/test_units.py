"""The systemd units start what `make up` starts, and keep the walls that the compose file keeps."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest

from llmsynthor_site.native.members import MEMBERS

UNITS = Path(__file__).resolve().parents[2] / "docker" / "systemd"


def section(name: str, of: str = "Service") -> dict[str, str]:
    unit = ConfigParser(interpolation=None, strict=True, allow_no_value=True)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNITS / f"llmsynthor-{name}.service")
    return dict(unit[of])


def test_there_is_one_for_each_process() -> None:
    assert {path.stem.removeprefix("llmsynthor-") for path in UNITS.iterdir()} == set(MEMBERS)


@pytest.mark.parametrize("name", MEMBERS)
def test_it_starts_that_process(name: str) -> None:
    command = section(name)["ExecStart"].removesuffix(" --bind 127.0.0.1:8000")
    assert command == "/opt/llmsynthor/.venv/bin/python " + " ".join(MEMBERS[name])


@pytest.mark.parametrize("name", MEMBERS)
def test_the_walls_stand(name: str) -> None:
    told = section(name)
    assert section(name, "Unit")["RequiresMountsFor"] == "/srv/llmsynthor/anchors", "the device of the anchors"
    hidden = told["InaccessiblePaths"].split()
    assert (told.get("IPAddressDeny") == "any") == (name not in ("door", "submit")), "a route out"
    assert ("-/srv/llmsynthor/vault" in hidden) == (name not in ("web", "measure")), "the sealed files"
    assert ("-/run/llmsynthor/door.sock" in hidden) == (name not in ("door", "synthesise")), "the door's socket"
    assert ("-/etc/llmsynthor/vault.key" in hidden) == (name != "measure"), "the vault's key"
    assert ("-/etc/llmsynthor/providers.json" in hidden) == (name != "door"), "the providers' keys"
    seeing = ("web", "measure", "mail")
    assert ("-/srv/llmsynthor/check-keys" in hidden) == (name not in seeing), "the keys of exact counts"
    key = "-/srv/llmsynthor/keys/packages-signing.key"
    assert (key in hidden) == (name != "synthesise"), "the key of packages"
    assert (told["NoNewPrivileges"], told["ProtectSystem"], told["LimitCORE"]) == ("true", "strict", "0")
