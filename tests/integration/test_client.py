"""The client, alone and against a live server: what it asks stands in the schema, and what it writes is its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from llmsynthor import Client, Refused, login, verify
from llmsynthor.cli import app
from typer.testing import CliRunner

from llmsynthor_site import tokens
from llmsynthor_site.models import User
from synthesis.models import Receipt, SynthesisRequest
from tests import request_site
from tests.evidence_site import findings

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
ROOT = Path(__file__).resolve().parents[2]
SCHEMA = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Logins of tests are kept in a folder of their own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("LLMSYNTHOR_SITE", "LLMSYNTHOR_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def token_of(user: User) -> str:
    return tokens.make(by=user, name="client", scopes=["read", "request"], days=1)[1]


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert done.exit_code == code, done.output
    return done.output


def test_a_table_from_the_catalogue_to_a_verified_package(live_server: Any, home: Path, site: Path) -> None:
    """Rosa in her terminal: login, catalogue, request, watch, download (broken off once), verify."""
    small = request_site.make()
    with request_site.open_door():
        released = small.released()
    secret = token_of(small.rosa)
    assert secret not in run("login", "--site", live_server.url, "--token", secret)
    assert login.place().stat().st_mode & 0o777 == 0o600
    assert str(small.dataset.pk) in run("catalogue")
    asked = run(
        "request", str(small.dataset.pk), "--title", "Mine", "--purpose", "To teach.", "--context", "In class.",
        "--rows", "100", "--epsilon", "0.1", "--delta", "1e-6", "--submit",
    )  # fmt: skip
    assert asked.strip().endswith(": submitted")
    assert SynthesisRequest.objects.get(title="Mine").state == "submitted"
    assert "waits for a data steward" in run("watch", asked.split(":")[0])
    folder = home / "package"
    assert "Read these terms" in run("download", str(released.pk), "--to", str(folder), code=1)
    folder.mkdir()
    (folder / "data.csv.part").write_bytes(b"sex,")  # of a try that broke off
    run("download", str(released.pk), "--to", str(folder), "--accept-licence")
    assert (folder / "data.csv").read_bytes().startswith(b"sex,age,pay\n")
    assert Receipt.objects.count() == len(list(folder.iterdir()))
    assert "as the manifest says" in run("verify", str(folder))
    assert "unless" not in run("requests", "--state", "released")
    again = run("releases", str(small.dataset.pk))
    assert str(released.release_id) in again
    wish = ("--title", "Once more", "--purpose", "To teach.", "--context", "In class.", "--rows", "50")
    run("request", str(small.dataset.pk), *wish, "--reuse", str(released.release_id))
    assert SynthesisRequest.objects.get(title="Once more").epsilon == released.epsilon
    (folder / "data.csv").write_bytes(b"other")
    assert "data.csv is not the file" in run("verify", str(folder), code=1)


def test_the_notebook_runs_from_its_first_cell_to_its_last(live_server: Any) -> None:
    small = request_site.make()
    login.keep(login.Login(live_server.url, token_of(small.rosa)))
    cells = json.loads((ROOT / "client" / "example.ipynb").read_text())["cells"]
    names: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert names["request"]["state"] == "submitted"
    assert SynthesisRequest.objects.get().requester == small.rosa
    names["site"].close()


def test_an_auditor_takes_an_evidence_pack_in_a_terminal(live_server: Any, home: Path) -> None:
    small = request_site.make()
    request = small.submitted()
    login.keep(login.Login(live_server.url, tokens.make(by=small.amir, name="c", scopes=["audit"], days=1)[1]))
    pack, why = home / "pack.zip", ("--reason", "The yearly check.")
    run("evidence", "--request", str(request.pk), *why, "--to", str(pack))
    assert findings(pack) == []
    assert "Name a request" in run("evidence", *why, "--to", str(home / "none.zip"), code=1)
    day = ("--since", "2030-01-02", "--until", "2030-01-01")
    assert "before the first" in run("evidence", *day, *why, "--to", str(home / "none.zip"), code=1)
    assert sorted(path.name for path in home.glob("*.zip*")) == ["pack.zip"]


def test_an_edit_that_crossed_another_is_refused_and_a_refusal_names_the_field(live_server: Any) -> None:
    small = request_site.make()
    request = small.request()
    with Client(live_server.url, token_of(small.rosa)) as client:
        assert client.edit(str(request.pk), title="Mine")["title"] == "Mine"
        with pytest.raises(Refused, match="epsilon") as refusal:
            client.edit(str(request.pk), epsilon="0")
    assert refusal.value.status == 422


def answered_from_the_schema(asked: httpx.Request) -> httpx.Response:
    """A stand-in that knows the schema alone: what it does not name was never asked for, or with another name."""
    path = urlsplit(str(asked.url)).path
    operation = next(
        methods[asked.method.lower()]
        for template, methods in SCHEMA["paths"].items()
        if fits(template, path) and asked.method.lower() in methods
    )
    named = {one["name"] for one in operation.get("parameters", ())}
    assert set(asked.url.params) <= named, (path, named)
    assert {name for name in asked.headers if name in ("if-match", "idempotency-key", "range")} <= {
        name.lower() for name in named
    }
    if asked.content and asked.method != "GET":
        [kind] = operation["requestBody"]["content"].values()
        told = SCHEMA["components"]["schemas"][kind["schema"]["$ref"].rpartition("/")[2]]
        assert set(json.loads(asked.content)) <= told["properties"].keys(), path
        assert set(told.get("required", ())) <= set(json.loads(asked.content)) or asked.method == "PATCH", path
    listed: dict[str, Any] = {"results": [], "next": None}
    return httpx.Response(200, json={**listed, "url": "/api/v1/files/x/", "sha256": "0" * 64}, headers={"ETag": '"1"'})


def fits(template: str, path: str) -> bool:
    wanted, given = template.split("/"), path.split("/")
    return len(wanted) == len(given) and all(one == two or "{" in one for one, two in zip(wanted, given, strict=True))


def test_every_call_of_the_client_stands_in_the_schema_with_what_it_sends(tmp_path: Path) -> None:
    key = "00000000-0000-0000-0000-000000000000"
    wish = {"title": "T", "purpose": "P", "context": "C", "rows": 1, "epsilon": "1", "delta": "1e-9", "targets": []}
    with Client("https://site.example", "t", transport=httpx.MockTransport(answered_from_the_schema)) as client:
        list(client.datasets("x"))
        list(client.releases(key))
        list(client.compare(key, "pairs", "age"))
        list(client.requests("draft"))
        list(client.notices())
        for call in (client.dataset, client.request, client.run, client.package):
            call(key)
        client.me()
        client.price("1", "1e-9", key)
        client.create(key, **wish)
        client.edit(key, title="T")
        client.step(key, "return", comment="c")
        client.step(key, "renew", reason="r")
        client.accept_licence(key, "1")
        for about in ({"request": key}, {"dataset": key}, {"since": "2030-01-01", "until": "2030-01-02"}):
            client.evidence(about, "A review.", tmp_path / "pack.zip")
        with pytest.raises(Refused, match="not what the site promised"):
            client.fetch(key, "data.csv", tmp_path)
    assert list(tmp_path.glob("*.part")) == []


def test_a_token_goes_over_https_alone_and_into_no_message() -> None:
    with pytest.raises(login.LoginError, match="https"):
        Client("http://site.example", "t")
    assert "secret" not in repr(login.Login("https://site.example", "secret"))


def test_a_login_that_others_may_read_is_refused() -> None:
    path = login.keep(login.Login("https://site.example", "secret"))
    path.chmod(0o644)
    assert "chmod 600" in run("catalogue", code=1)


def test_a_package_with_a_path_in_a_name_or_no_manifest_does_not_hold(tmp_path: Path) -> None:
    assert verify(tmp_path).problems == ["manifest.json is missing, or is none"]
    (tmp_path / "manifest.json").write_text(json.dumps({"files": [{"name": "../x", "sha256": "0"}]}))
    assert not verify(tmp_path).holds


NEEDED = (
    "typer", "httpx", "rich", "click", "shellingham", "typing_extensions.py", "markdown_it", "mdurl", "pygments",
    "httpcore", "h11", "anyio", "idna", "certifi", "sniffio", "annotated_doc",
)  # fmt: skip


def test_it_installs_alone_and_runs_without_django(tmp_path: Path) -> None:
    """Into a new environment that holds its three packages and what those need, and nothing of a server."""
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    here, there = Path(sysconfig.get_paths()["purelib"]), next(folder.glob("lib/python*/site-packages"))
    for name in NEEDED:
        if (here / name).exists():
            (there / name).symlink_to(here / name)
    source = shutil.copytree(ROOT / "client", tmp_path / "client")
    build = "from setuptools import setup; setup()"
    command = [sys.executable, "-c", build, "build_py", "--build-lib", str(there), "egg_info", "--egg-base", str(there)]
    subprocess.run(command, cwd=source, capture_output=True, text=True, check=True)
    python = folder / "bin" / "python"
    entry = "from importlib.metadata import entry_points as e; e(name='llmsynthor')['llmsynthor'].load()(['--help'])"
    shown = subprocess.run([str(python), "-I", "-c", entry], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "catalogue" in shown.stdout
    none = subprocess.run([str(python), "-I", "-c", "import django"], capture_output=True, text=True, check=False)
    assert "No module named 'django'" in none.stderr
