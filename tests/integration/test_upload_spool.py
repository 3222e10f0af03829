"""An upload on its way: it never lies in the clear on the disk, and nothing is left of a process that is killed."""

from __future__ import annotations

import gc
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import UnreadablePostError

from privacy.spooling import Spool, SpoolReader

ROOT = Path(__file__).resolve().parents[2]
CANARY = b"83749canary,"
BOUNDARY = "b0undary"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="t.csv"\r\nContent-Type: text/csv\r\n\r\n'
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
RECEIVER = """
import sys
import django
django.setup()
from django.core.handlers.wsgi import WSGIRequest
environ = {"REQUEST_METHOD": "POST", "wsgi.input": sys.stdin.buffer, "CONTENT_LENGTH": sys.argv[1],
           "CONTENT_TYPE": "multipart/form-data; boundary=b0undary"}
WSGIRequest(environ).FILES["file"]
"""


def received(content: bytes) -> WSGIRequest:
    body = HEAD + content + TAIL
    return WSGIRequest({
        "REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": f"multipart/form-data; boundary={BOUNDARY}",
    })  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 2**16, 2**21 + 7])
def test_a_spooled_file_is_read_as_it_was_sent(size: int) -> None:
    content = os.urandom(size)
    request = received(content)
    file = request.FILES["file"]
    assert (file.name, file.size, file.content_type) == ("t.csv", size, "text/csv")
    assert b"".join(iter(lambda: file.read(100_000), b"")) == content
    request.close()
    assert open_in_inbox() == []
    assert list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir()) == []


class Broken(io.BytesIO):
    """A connection that is cut once everything in here was read."""

    def read(self, *args: Any) -> bytes:
        found = super().read(*args)
        if not found:
            raise OSError("cut")
        return found


def test_an_upload_that_breaks_off_leaves_nothing_open() -> None:
    body = HEAD + CANARY * 100_000
    request = WSGIRequest({
        "REQUEST_METHOD": "POST", "wsgi.input": Broken(body), "CONTENT_LENGTH": str(len(body) * 2),
        "CONTENT_TYPE": f"multipart/form-data; boundary={BOUNDARY}",
    })  # fmt: skip
    try:
        request.FILES["file"]
    except UnreadablePostError:
        del request
    else:
        pytest.fail("half a file was taken for a whole one")
    gc.collect()
    assert open_in_inbox() == []


def open_in_inbox() -> list[Path]:
    targets = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return [path for path in targets if str(path).startswith(str(settings.FILE_UPLOAD_TEMP_DIR))]


def test_a_spool_that_nobody_reads_can_be_closed(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.write(CANARY)
    reader = SpoolReader(spool)
    reader.close()
    assert reader.closed
    with pytest.raises(ValueError, match="closed"):
        spool.write(CANARY)


def test_nothing_is_left_of_an_upload_whose_process_is_killed(tmp_path: Path) -> None:
    """A real process receives half of a file, has its open file read for the canary, and is killed with -9."""
    inbox = tmp_path / "site" / "inbox"
    half = HEAD + CANARY * 400_000
    environment = {
        "PATH": os.environ["PATH"], "SITE_DIR": str(tmp_path / "site"),
        "DJANGO_SETTINGS_MODULE": "llmsynthor_site.settings",
    }  # fmt: skip
    command = [sys.executable, "-c", RECEIVER, str(len(half) * 2)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(half)
        process.stdin.flush()
        spooled = _spooled(process.pid, inbox, at_least=2**22)
        assert CANARY not in spooled
        assert list(inbox.iterdir()) == [], "the spool has a name"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert list(inbox.iterdir()) == []
    assert [path for path in (tmp_path / "site").rglob("*") if path.is_file() and CANARY in path.read_bytes()] == []


def _spooled(pid: int, inbox: Path, *, at_least: int) -> bytes:
    """What lies in the process's open file of the inbox, once so much was received."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            if str(handle.readlink()).startswith(str(inbox)) and handle.stat().st_size >= at_least:
                return handle.read_bytes()
        time.sleep(0.05)
    raise AssertionError("nothing was spooled")
