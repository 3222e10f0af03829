"""Texts in templates and in Python, found without running either.

In Python a text is found where it is translated (``gettext("...")``), and where it is handed to something that people
are shown (``ValidationError("...")``, ``messages.success(http, "...")``). There a value in an f-string becomes ``{0}``.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract
from django.utils.translation.template import templatize

Text = str | tuple[str, str]
"""A msgid, or singular and plural."""

SHOWN = {
    "ValidationError": 0, "PermissionDenied": 0, "success": 1, "error": 1, "info": 1, "warning": 1, "tell": 1,
    "require": 1, "add_error": 1, "warn": 1,
}  # fmt: skip
"""What is handed a text that people are shown, and as which argument."""
SHOWN_BY_NAME = frozenset({"label", "help_text", "denial", "empty_label", "error_messages"})
"""Named arguments that people are shown, wherever they are handed over."""
PAGES = re.compile(r"/views/|views\.py$|_pages\.py$|/signin/")
"""Modules of pages: in these every sentence is shown to somebody."""
FORMS = re.compile(r"/views/|views\.py$|_pages\.py$|forms\.py$|preferences\.py$")
SENTENCE = re.compile(r"[A-Z][\w']*,? .*[\w.?!]")
TRANSLATING = frozenset({"gettext", "gettext_lazy", "gettext_noop"})
LEAST_LETTERS = 6
"""A pattern with fewer letters of its own could be anything."""


def of_template(path: Path) -> Iterator[Text]:
    blanked = templatize(path.read_text(encoding="utf-8"), origin=str(path))
    source = "\n".join(line.strip() for line in blanked.splitlines())  # its indents are those of HTML
    for _, message, _, _ in extract("python", io.BytesIO(source.encode()), keywords=KEYWORDS):
        yield message if isinstance(message, str) else (message[0], message[1])


KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}


def of_python(path: Path) -> Iterator[Text]:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    if PAGES.search(str(path)):
        yield from sentences(tree)
    if FORMS.search(str(path)):
        yield from named(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from of_call(node)
        elif "notices" in source and isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "text":
            yield from texts(node.value)  # what a notice is told with


def of_call(call: ast.Call) -> Iterator[Text]:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in TRANSLATING and call.args:
        yield from texts(call.args[0])
    elif name == "ngettext":
        one, many = (next(texts(arg)) for arg in call.args[:2])
        yield one, many
    elif name in SHOWN and len(call.args) > SHOWN[name]:
        yield from texts(call.args[SHOWN[name]])


def named(tree: ast.Module) -> Iterator[str]:
    """What fields of forms are called and say, also those that are made while the page is."""
    handed = (one for node in ast.walk(tree) if isinstance(node, ast.Call) for one in node.keywords)
    yield from (text for one in handed if one.arg in SHOWN_BY_NAME for text in texts(one.value))


def sentences(tree: ast.Module) -> Iterator[str]:
    """Every whole sentence that is neither a docstring nor a part of an f-string."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    said |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    said |= {id(arg) for node in ast.walk(tree) for arg in not_found(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield from (text for text in (node.value,) if SENTENCE.fullmatch(text))
        elif isinstance(node, ast.JoinedStr):
            yield from (text for text in patterns(node) if SENTENCE.fullmatch(text))


def not_found(node: ast.AST) -> list[ast.expr]:
    """Why there is nothing at an address is for the site's own log: its page says one sentence."""
    return node.args if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Http404" else []


def texts(node: ast.expr) -> Iterator[str]:
    """The texts that this expression may be: of every branch, and of every value of a mapping or list."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr():
            yield from patterns(node)
        case ast.IfExp():
            yield from (text for one in (node.body, node.orelse) for text in texts(one))
        case ast.Dict():
            yield from (text for one in node.values for text in texts(one))
        case ast.List():
            yield from (text for one in node.elts for text in texts(one))


def patterns(node: ast.JoinedStr) -> Iterator[str]:
    pieces, count = [], 0
    for part in node.values:
        if isinstance(part, ast.Constant):
            pieces.append(str(part.value))
        else:
            pieces.append(f"{{{count}}}")
            count += 1
    if sum(mark.isalpha() for piece in pieces if piece[:1] != "{" for mark in piece) >= LEAST_LETTERS:
        yield "".join(pieces)
