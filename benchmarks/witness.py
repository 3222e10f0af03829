"""What a witness costs: one exchange over HTTP with a real witness process, as the log grows.

    python -m benchmarks.witness [--entries 100000] [--exchanges 200]

A log of so many leaf hashes is held in memory. After each new entry its checkpoint is submitted with a
consistency proof, made from what is remembered of the tree before (as the site makes it) and, for comparison,
from all hashes again. The witness fsyncs before it answers, so most of an exchange is the disk's. The last line
is one JSON object, times in milliseconds.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from audit.merkle import Frontier, consistency_from, consistency_proof, leaf_hash
from audit.notes import Checkpoint, PrivateKey
from audit.witness_book import Request

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.witness")
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--exchanges", type=int, default=200)
    asked = parser.parse_args(arguments)
    key = PrivateKey.make("benchmark/log")
    with tempfile.TemporaryDirectory(prefix="benchmark-witness-") as folder:
        process, port = _started(Path(folder), key)
        try:
            print(json.dumps(_figures(key, port, asked.entries, asked.exchanges)))
        finally:
            process.terminate()
            process.wait(20)


def _started(folder: Path, key: PrivateKey) -> tuple[subprocess.Popen[str], int]:
    options = ["--folder", str(folder), "--name", "benchmark/witness", "--log", str(key.public), "--port", "0"]
    command = [sys.executable, "-m", "audit.witness", *options]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    return process, int(process.stdout.readline().strip().rpartition(":")[2])


def _figures(key: PrivateKey, port: int, entries: int, exchanges: int) -> dict[str, float | int]:
    hashes = [leaf_hash(b"%d" % number) for number in range(entries + exchanges)]
    tree = Frontier.of(hashes[:entries])
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    _submit(line, key, Request(0, [], b""), tree)
    times, proofs = [], []
    for size in range(entries, entries + exchanges):
        began = time.perf_counter()
        proof = consistency_from(tree, hashes[size : size + 1])
        proofs.append(time.perf_counter() - began)
        tree = tree.with_leaf(hashes[size])
        _submit(line, key, Request(size, proof, b""), tree)
        times.append(time.perf_counter() - began)
    began = time.perf_counter()
    assert consistency_proof(hashes, entries + exchanges - 1) == proof
    return {
        "entries": entries,
        "exchanges": exchanges,
        "exchange_p50": _milliseconds(statistics.median(times)),
        "exchange_p99": _milliseconds(statistics.quantiles(times, n=100)[98]),
        "proof_p50": _milliseconds(statistics.median(proofs)),
        "proof_from_all_hashes": _milliseconds(time.perf_counter() - began),
    }


def _submit(line: http.client.HTTPConnection, key: PrivateKey, request: Request, tree: Frontier) -> None:
    note = Checkpoint(key.name, tree.size, tree.root()).signed(key)
    line.request("POST", "/add-checkpoint", Request(request.old, request.proof, note).to_bytes())
    reply = line.getresponse()
    body = reply.read()
    if reply.status != 200:
        raise RuntimeError(f"the witness answered {reply.status}: {body!r}")


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 3)


if __name__ == "__main__":
    main()
