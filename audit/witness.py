"""A witness: a process of its own that cosigns a log's checkpoints, and never two histories of one log.

    python -m audit.witness --folder FOLDER --name NAME --log PUB [--log PUB ...] [--host H] [--port N]

Needs the standard library and `cryptography`; neither the site nor its database, only the log's public key.
It answers POST /add-checkpoint as C2SP tlog-witness says. FOLDER holds its own key and what it signed last.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from audit import durable
from audit.cosignatures import WitnessKey
from audit.notes import NoteError, PrivateKey, PublicKey
from audit.witness_book import Book, Reply

KEY, PUBLIC = "witness.key", "witness.pub"
MOST_BYTES = 64 * 1024
SECONDS = 10


class Caller(BaseHTTPRequestHandler):
    """One connection; what a checkpoint is worth is the book's to say."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "witness", ""
    timeout = SECONDS
    wbufsize = -1  # head and body leave together: apart, each answer would wait for an acknowledgement
    book: Book

    def do_POST(self) -> None:
        if self.path != "/add-checkpoint":
            self.close_connection = True
            return self._answer(Reply(404, "only add-checkpoint is answered here"))
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > MOST_BYTES:
            self.close_connection = True
            return self._answer(Reply(400, f"a request states its length, at most {MOST_BYTES} bytes"))
        return self._answer(self._judged(self.rfile.read(int(length))))

    def _judged(self, body: bytes) -> Reply:
        try:
            return self.book.add_checkpoint(body)
        except (OSError, NoteError) as error:  # nothing was signed: what it holds cannot be read or written
            return Reply(500, f"the witness cannot keep its book: {type(error).__name__}")

    def _answer(self, reply: Reply) -> None:
        data = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "text/x.tlog.size" if reply.status == 409 else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        print(f"{self.address_string()} {format % args}", file=sys.stderr, flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with the usual five, logs that submit at the same moment are turned away unheard

    def server_bind(self) -> None:  # without the look-up of the host's name, which may wait for a network
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


def serve(book: Book, host: str, port: int) -> Server:
    """A server that listens already; port 0 takes a free one. OSError when it cannot."""
    return Server((host, port), type("BoundCaller", (Caller,), {"book": book}))


def own_key(folder: Path, name: str) -> PrivateKey:
    """The witness's key, made at the first start, with its public half beside it. NoteError when it is another's."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = folder / KEY
    if not place.exists():
        durable.write(place, f"{PrivateKey.make(name).secret_text()}\n".encode())
    if place.stat().st_mode & 0o077:
        raise NoteError(f"{KEY} may be read by others; allow its owner alone (chmod 600)")
    key = PrivateKey.parse(place.read_text())
    if key.name != name:
        raise NoteError(f"the key in this folder is that of {key.name}")
    (folder / PUBLIC).write_text(f"{WitnessKey.of(key)}\n")
    return key


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, required=True, help="the witness's own folder: its key and its book")
    parser.add_argument("--name", required=True, help="the witness's name, such as witness.example.org/w1")
    parser.add_argument("--log", action="append", required=True, help="a public key of a log, or a file that holds it")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen; this machine alone by default")
    parser.add_argument("--port", type=int, default=8791, help="0 takes a free one")


def run(folder: Path, name: str, logs: Sequence[str], host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT. Raises NoteError, OSError or RuntimeError when it cannot begin."""
    os.umask(0o077)  # its key, too, is its own account's alone from the first byte
    key = own_key(folder, name)
    server = serve(Book.opened(folder, key, [_log_key(given) for given in logs]), host, port)
    stopped = threading.Event()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, lambda *_: stopped.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"witness {WitnessKey.of(key)} at http://{host}:{server.server_port}", flush=True)
    stopped.wait()
    server.shutdown()


def _log_key(given: str) -> PublicKey:
    return PublicKey.parse(Path(given).read_text() if Path(given).is_file() else given)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="audit.witness", description="Cosign the checkpoints of a log.")
    add_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        run(options.folder, options.name, options.log, options.host, options.port)
    except (NoteError, OSError, RuntimeError) as error:
        print(f"the witness does not start: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
