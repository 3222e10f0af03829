"""A timestamp authority over HTTP: every answer is made by OpenSSL, which knows nothing of this project."""

from __future__ import annotations

import subprocess
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """[ tsa ]
default_tsa = own
[ own ]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
"""
EXTENSIONS = """basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
"""


class Authority:
    """Its folder holds ``ca.pem``, which is all its users need. ``broken``: answers to another question."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.broken, self.asked = folder, False, 0
        folder.mkdir()
        (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
        (folder / "extensions").write_text(EXTENSIONS)
        (folder / "serial").write_text("01")
        for name in ("ca", "tsa"):
            self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
        self._openssl("req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=Test CA", "-days", "9", "-out", "ca.pem")
        self._openssl("req", "-new", "-key", "tsa.key", "-subj", "/CN=Test TSA", "-out", "tsa.csr")
        self._openssl(
            "x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "9", "-extfile", "extensions", "-out", "tsa.pem",
        )  # fmt: skip
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Caller,), {"authority": self}))
        threading.Thread(target=partial(self.server.serve_forever, poll_interval=0.01), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/tsr"

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def reply(self, query: bytes) -> bytes:
        self.asked += 1
        if not self.broken:
            (self.folder / "query").write_bytes(query)
        self._openssl(
            "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query",
            "-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "reply",
        )  # fmt: skip
        return (self.folder / "reply").read_bytes()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


class _Caller(BaseHTTPRequestHandler):
    authority: Authority

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/timestamp-query"
        body = self.authority.reply(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
