"""What import contracts cannot see: names that reach the network or another program, however they are written."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

NETWORK = frozenset({
    "socket", "_socket", "ssl", "_ssl", "socketserver", "selectors", "select", "asyncio", "http", "urllib.request",
    "urllib3", "requests", "httpx", "httpx2", "httpcore", "aiohttp", "websockets", "ftplib", "smtplib", "poplib",
    "imaplib", "telnetlib", "xmlrpc", "openai",
})  # fmt: skip
PROGRAMS = frozenset({"subprocess", "_posixsubprocess", "multiprocessing", "pty", "ctypes", "_ctypes", "cffi", "runpy"})
DYNAMIC = frozenset({"__import__", "exec", "eval", "compile", "import_module", "import_string", "find_spec"})
OF_OS = ("system", "popen", "exec", "spawn", "posix_spawn", "fork")

# Every file that may, and what it may.
MAY: dict[str, frozenset[str]] = {
    "synthesis/door.py": frozenset({"socketserver"}),
    "synthesis/gateway.py": frozenset({"socket"}),
    "synthesis/llm/openai_provider.py": frozenset({"httpx2", "openai", "socket", "ssl"}),
    "audit/submitting.py": frozenset({"http", "smtplib"}),  # checkpoints, to witnesses: sizes and hashes alone
    "audit/witness.py": frozenset({"http", "socket"}),  # a witness itself, which is nothing of the site
    "privacy/inbox.py": frozenset({"subprocess"}),
    "llmsynthor_site/operations/backups.py": frozenset({"subprocess"}),
    "privacy/codebook/sheets.py": frozenset({"subprocess"}),
    "llmsynthor_site/guard.py": frozenset({"socket"}),
    "llmsynthor_site/posting.py": frozenset({"http", "socket", "ssl"}),  # notices, to hosts an administrator listed
    "llmsynthor_site/webhooks.py": frozenset({"http"}),  # the name of an exception
    "llmsynthor_site/health.py": frozenset({"socket"}),  # whether anybody listens at the door's own socket
    "llmsynthor_site/demo/processes.py": frozenset({"socket", "subprocess"}),
    "llmsynthor_site/demo/site.py": frozenset({"os.execve"}),
}


def used(source: str) -> Iterator[str]:
    """Every banned name that a source text uses."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name for each in node.names if (name := banned(each.name)))
        elif isinstance(node, ast.ImportFrom):
            yield from of_import_from(node)
        elif isinstance(node, ast.Attribute):
            yield from of_attribute(node)
        elif isinstance(node, ast.Name | ast.Constant):
            yield from of_word(node.id if isinstance(node, ast.Name) else node.value)


def of_import_from(node: ast.ImportFrom) -> Iterator[str]:
    module = node.module or ""
    for each in node.names:
        if name := banned(module) or banned(f"{module}.{each.name}"):
            yield name
        elif module == "os" and each.name.startswith(OF_OS):
            yield f"os.{each.name}"
        elif each.name in DYNAMIC and module in ("importlib", "builtins", "django.utils.module_loading"):
            yield each.name


def of_attribute(node: ast.Attribute) -> Iterator[str]:
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    if owner == "os" and node.attr.startswith(OF_OS):
        yield f"os.{node.attr}"
    elif node.attr in ("__import__", "import_module", "import_string") or (
        owner == "builtins" and node.attr in DYNAMIC
    ):
        yield node.attr


def of_word(word: object) -> Iterator[str]:
    """A bare name, or a text that a getattr or a look into sys.modules could use."""
    if isinstance(word, str) and (word in DYNAMIC - {"compile", "find_spec"} or word in HIDDEN):
        yield word


HIDDEN = frozenset({"_socket", "_posixsubprocess", "socket", "ctypes", "subprocess", "urllib.request", "httpx2"})


def banned(module: str) -> str:
    """The banned module that this one is or lies in, or an empty string."""
    parts = module.split(".")
    heads = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return next((head for head in heads if head in NETWORK | PROGRAMS), "")


def violations(root: Path, rooms: tuple[str, ...]) -> list[str]:
    """'file: name' for every banned name in a file that may not use it."""
    found = []
    for path in sorted(path for room in rooms for path in (root / room).rglob("*.py")):
        place = str(path.relative_to(root))
        found += [f"{place}: {name}" for name in used(path.read_text()) if name not in MAY.get(place, frozenset())]
    return found
