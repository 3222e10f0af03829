"""Promise 9: values of the raw rows, and the site's secrets, are found in nothing it keeps, shows, says or leaves."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied
from kombu import pools

from audit import events, prompts
from audit.segments import Declared, FreeText, Message, Prompt
from llmsynthor_site.celery import app
from privacy import services
from privacy.problems import UploadRefused
from privacy.selectors import columns
from synthesis import door, packaging, policies
from synthesis.models import Endpoint, SynthesisRequest, Vote
from synthesis.states import Proposer
from tests import privacy_site, request_site
from tests.canaries import hits, sinks
from tests.evidence_site import download
from tests.fakes import openai_server
from tests.fakes.openai_server import OpenAIServer
from tests.request_site import open_door
from tests.sizes import Note

pytestmark = [pytest.mark.long_sizes, pytest.mark.django_db(databases=["default", "log"], transaction=True)]
ROOT = Path(__file__).resolve().parents[2]
TEXT, PLACE, NUMBER = b"canaryfreetext", b"canaryunlisted", b"98765.4321"
RAW = {"free text": TEXT, "an unlisted category": PLACE, "a clamped number": NUMBER}
PROVIDER_KEY = "sk-planted-0123456789abcdef"
WRITTEN = {"maxLength": 60, "language": "English", "instruction": "what somebody says of their pay"}
"""The planted column is also the one that the model writes anew."""
FIELDS = [
    {
        "name": "sex",
        "type": "string",
        "categories": ["f", "m"],
        "constraints": {"required": True},
        "publicLabels": True,
    },
    {"name": "place", "type": "string", "categories": ["north", "south"], "other": "elsewhere"},
    {
        "name": "pay",
        "type": "number",
        "constraints": {"minimum": 0, "maximum": 100},
        "outside": "clamp",
        "bins": {"cutPoints": [10, 50]},
    },
    {"name": "remark", "type": "string", "freeText": WRITTEN},
]


def table() -> bytes:
    rows = [
        b"%c,%s,%s,%s %d" % (b"fm"[i % 2], (PLACE, b"north")[i % 2], (NUMBER, b"5")[i % 2], TEXT, i)
        for i in range(2000)
    ]
    return b"sex,place,pay,remark\n" + b"\n".join(rows) + b"\n"


@pytest.fixture
def left(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Temporary files and messages go where they can be looked at; processes that are killed work in this folder."""
    for name in ("temporary", "left", "other"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for name, value in {"TMPDIR": tmp_path / "temporary", "PYTHONPATH": ROOT, "SITE_DIR": tmp_path / "other"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path / "left")
    monkeypatch.setattr(settings, "PROVIDER_KEYS_FILE", site / "keys" / "providers.json")
    with broker_of_files(site / "broker"):
        yield tmp_path / "left"


@contextmanager
def broker_of_files(folder: Path) -> Iterator[None]:
    """The embedded site's own kind of broker, instead of the tests' one in memory."""
    before = {name: app.conf[name] for name in ("broker_url", "broker_transport_options")}
    places = {"data_folder_in": "messages", "data_folder_out": "messages", "control_folder": "control"}
    options = {name: str(folder / place) for name, place in places.items()}
    for place in options.values():
        Path(place).mkdir(parents=True, exist_ok=True)
    _use_broker({"broker_url": "filesystem://localhost", "broker_transport_options": options})
    try:
        yield
    finally:
        _use_broker(before)


def _use_broker(conf: dict[str, Any]) -> None:
    app.conf.update(conf)
    pools.reset()
    app._pool = app.amqp._producer_pool = None


@pytest.fixture
def console(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Everything printed or logged so far, by this process and those it started."""
    logged, printed = io.StringIO(), [""]
    handler = logging.StreamHandler(logged)
    logging.getLogger().addHandler(handler)

    def said() -> str:
        printed[0] += "".join(capfd.readouterr())
        return printed[0] + logged.getvalue()

    yield said
    logging.getLogger().removeHandler(handler)


def secrets_of_the_site() -> dict[str, bytes]:
    """Every private key in the site's folder in each spelling it could leak in, Django's secret, the provider's key."""
    found = {"Django's secret": settings.SECRET_KEY.encode(), "the provider's key": PROVIDER_KEY.encode()}
    for path in (Path(settings.SITE_DIR) / "keys").iterdir():
        if path.is_file() and path.name != "providers.json" and not path.name.endswith(".pub"):
            content = path.read_bytes().strip()
            found[path.name] = content
            if content.startswith(b"PRIVATE+KEY"):
                found[f"{path.name}, its last part"] = content.split(b"+", 4)[4]  # base64 may hold a plus
            elif re.fullmatch(rb"[0-9a-f]{64,}", content):
                found[f"{path.name}, raw"] = bytes.fromhex(content.decode())
    return found


def refuses_then_answers() -> openai_server.Behaviour:
    """A provider that quotes the key in its first refusal, as real ones do."""
    told: list[bytes] = []

    def behaviour(body: bytes) -> tuple[int, bytes]:
        told.append(body)
        if len(told) == 1:
            return 401, json.dumps({"error": {"message": f"Incorrect API key provided: {PROVIDER_KEY}"}}).encode()
        return openai_server.first_cells(body)

    return behaviour


def lived(house: request_site.Site) -> SynthesisRequest:
    """A released request over the language-model path: an upload with canaries, a run, a download."""
    settings.PROVIDER_KEYS_FILE.write_text(json.dumps({"model": PROVIDER_KEY}))
    house.dataset = privacy_site.dataset(house.owner, content=table(), title="Canaries", fields=FIELDS)
    with OpenAIServer(refuses_then_answers()) as server, open_door():
        endpoint = Endpoint.objects.create(name="model", base_url=server.base_url, model="m-1")
        request = house.released(proposer=Proposer.OPENAI, endpoint=endpoint)
    assert door.key_of("model") == PROVIDER_KEY
    download(house, request)
    return request


class Deadly:
    """An upload that ends the process which reads it, half-way, in the way that makes a crash report."""

    def __init__(self, content: bytes) -> None:
        self.chunks = [content[: len(content) // 2], content[len(content) // 2 :]]

    def read(self, size: int) -> bytes:
        if len(self.chunks) == 1:
            os.kill(reader(), signal.SIGABRT)
        return self.chunks.pop(0) if self.chunks else b""


def reader() -> int:
    """The process that reads the upload. The list of children may leave one out while others come and go."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for task in Path("/proc/self/task").iterdir():
            for child in (task / "children").read_text().split():
                if b"privacy.ingest" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
    raise AssertionError("nobody reads the upload")


HOLDING = "import os, sys; held = sys.stdin.buffer.read() * 3; os.abort()"
SET_UP = "import django; django.setup(); "


def crashed(start: str, secret: bytes, folder: Path) -> None:
    """A process that holds a secret in memory dies with every limit on core dumps lifted beforehand."""

    def dumps_allowed() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "llmsynthor_site.settings"}
    done = subprocess.run(
        [sys.executable, "-c", start + HOLDING], input=secret, cwd=folder, env=env,
        preexec_fn=dumps_allowed, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGABRT, done.stderr


def refused(house: request_site.Site, stream: IO[bytes] | Deadly) -> str:
    with pytest.raises(UploadRefused) as caught:
        services.receive_upload(
            by=house.owner, dataset=house.dataset, stream=cast("IO[bytes]", stream), filename="t.csv"
        )
    return str(caught.value)


def test_nothing_is_found_in_any_sink(left: Path, console: Callable[[], str], note: Note) -> None:
    """After a whole life, a refused file, a reader that was killed, and a worker that was."""
    house = request_site.make()
    request = lived(house)
    words = refused(house, io.BytesIO(b"sex,place,pay,remark\nx" + PLACE + b",north,5," + TEXT + b"\n"))
    words += refused(house, Deadly(table()))
    if may_dump():
        crashed(SET_UP, TEXT, left)
    found = sinks(house, request, console=console() + words, left=left)
    empty = [name for name, where in found.items() if not where]
    assert set(empty) <= {"temporary files", "killed processes"}
    assert sum(len(where) for where in found.values()) > 150
    assert any(b"m-1" in body for body in found["prompts"].values())
    assert any(WRITTEN["instruction"].encode() in body for body in found["prompts"].values()), "texts were asked for"
    assert request.run.report["texts"][0]["written"] > 0
    assert hits(found, RAW | secrets_of_the_site()) == []
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    note("D6", "planted raw values and secrets, in every sink", len(found), 0, "0 found")


def leaks(house: request_site.Site, request: SynthesisRequest, left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One careless line of a program for each sink; each writes the same secret."""
    word = TEXT.decode()

    def blabbing(*_: object) -> bool:
        raise PermissionDenied(f"not for you: {word}")

    logging.getLogger("privacy.inbox").warning("cannot read %s", word)
    app.send_task("llmsynthor_site.tasks.measure", args=[word])
    events.append(action="site:role:granted", by="console", subject="user:1", facts={"user": "ada", "role": word})
    parts = Message("user", (FreeText(word, "somebody"),))
    prompt = Prompt(Declared("m", "x"), Declared("{}", "x"), None, (parts,))
    record = prompts.record_intent(run="x", sequence=1, attempt=1, endpoint="e", prompt=prompt, by="system")
    token = prompts.start_sending(record.intent_id, lease_seconds=60)
    prompts.finish(record.intent_id, token=token, answer=TEXT, error="", usage={})
    package = packaging.package_folder(str(request.run.package.pk))
    (package / "README.md").write_text(f"the longest remark was {word}")
    Vote.objects.filter(request=request).update(comment=f"I saw {word}")
    (Path(tempfile.gettempdir()) / "upload.csv").write_bytes(table())
    (Path(settings.SITE_DIR) / "debug.txt").write_text(word)
    monkeypatch.setattr(policies, "may_see_prompts", blabbing)
    if may_dump():
        crashed("", TEXT, left)


def test_a_leak_in_each_sink_would_be_found(
    left: Path, console: Callable[[], str], monkeypatch: pytest.MonkeyPatch, note: Note
) -> None:
    """Control. Where core dumps go to a program of the machine, that one sink cannot be planted."""
    house = request_site.make()
    request = lived(house)
    leaks(house, request, left, monkeypatch)
    found = sinks(house, request, console=console(), left=left)
    silent = {name for name, where in found.items() if not hits({name: where}, RAW)}
    assert silent == (set() if may_dump() else {"killed processes"})
    note("D6", "control: one planted leak in each sink", len(found), len(found) - len(silent), "every sink")
    assert "remark" not in columns(house.dataset).names


def may_dump() -> bool:
    """Whether a core dump would land in the folder of the process that died."""
    allowed = resource.getrlimit(resource.RLIMIT_CORE)[1] == resource.RLIM_INFINITY
    return allowed and Path("/proc/sys/kernel/core_pattern").read_text().strip()[:1] not in ("|", "/")
