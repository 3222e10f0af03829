"""One language's catalogue: gathered, merged with what is translated, compiled, and looked over."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings

from llmsynthor_site.catalogue.extracting import Text, of_python, of_template
from llmsynthor_site.catalogue.terms import terms

PYTHON = ("llmsynthor_site", "synthesis", "privacy", "audit")
RECORDED = ("templates/package/", "templates/evidence/index.html")
"""Documents that leave or are kept: in English for everybody."""
NO_TEXT = ("/migrations/", "/management/", "/demo/", "/api/")
NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)
PLACES = re.compile(r"%\(\w+\)[sd]|\{\d\}|<[^>]+>")
"""Values in a text, and marks around parts of it: a translation has the same."""
DATES = ("POT-Creation-Date", "PO-Revision-Date", "Generated-By", "Last-Translator", "Language-Team", "Report-Msgid")


def gathered() -> set[Text]:
    """Every text that a page may show."""
    root: Path = settings.BASE_DIR
    templates = (one for one in sorted((root / "templates").rglob("*.html")) if not recorded(one.relative_to(root)))
    sources = (one for room in PYTHON for one in sorted((root / room).rglob("*.py")) if not skipped(one))
    found: set[Text] = {text for one in templates for text in of_template(one)}
    found |= {text for one in sources for text in of_python(one)}
    return {one for one in found | terms() if one}


def recorded(path: Path) -> bool:
    return str(path).startswith(RECORDED)


def skipped(path: Path) -> bool:
    return any(part in str(path) for part in NO_TEXT)


def folder(code: str) -> Path:
    return Path(settings.LOCALE_PATHS[0]) / code / "LC_MESSAGES"


def kept(code: str) -> Catalog:
    path = folder(code) / "django.po"
    if not path.exists():
        return Catalog(locale=code)
    with path.open("rb") as file:
        return read_po(file, locale=code)


def merged(code: str, texts: Iterable[Text]) -> Catalog:
    """What is translated already, for exactly these texts."""
    before = kept(code)
    now = Catalog(locale=code, project="LLMSynthor", header_comment="# Texts of the pages.", fuzzy=False)
    for text in texts:
        known = before.get(text[0] if isinstance(text, tuple) else text)
        now.add(text, known.string if known and known.id == text else None, flags=flags(text, known))
    return now


def flags(text: Text, known: Message | None) -> set[str]:
    """Whether a translation is still to be looked at, and that values stand in Python's form."""
    fuzzy = {"fuzzy"} if known and known.fuzzy else set()
    return fuzzy | ({"python-format"} if "%(" in str(text) else set())


def po(catalog: Catalog) -> str:
    """Sorted, without dates and line numbers, so that two people's work merges."""
    out = io.BytesIO()
    write_po(out, catalog, sort_output=True, no_location=True, width=0)
    lines = out.getvalue().decode().splitlines()
    return "\n".join(line for line in lines if not line.startswith(tuple(f'"{one}' for one in DATES))) + "\n"


def mo(catalog: Catalog) -> bytes:
    """Compiled; the same bytes whenever it is done."""
    out, kept = io.BytesIO(), read_po(io.BytesIO(po(catalog).encode()), locale=catalog.locale)
    kept.creation_date = kept.revision_date = NO_TIME
    write_mo(out, kept)
    return out.getvalue()


def build(code: str) -> int:
    """Write the catalogue and its compiled form; how many texts are still to be translated."""
    catalog = merged(code, gathered())
    folder(code).mkdir(parents=True, exist_ok=True)
    (folder(code) / "django.po").write_text(po(catalog), encoding="utf-8")
    (folder(code) / "django.mo").write_bytes(mo(catalog))
    return sum(1 for one in catalog if one.id and not translated(one))


def problems(code: str) -> list[str]:
    """What keeps the catalogue from being complete; none when it is."""
    catalog = kept(code)
    here = {one.id for one in catalog if one.id}
    found = [f"{code}: not in the catalogue: {text!r}" for text in sorted(gathered() - here, key=str)]
    found += [f"{code}: {problem}: {one.id!r}" for one in catalog if one.id for problem in defects(one)]
    path = folder(code) / "django.mo"
    if not path.exists() or path.read_bytes() != mo(catalog):
        found.append(f"{code}: django.mo is not what django.po compiles to")
    return found


def translated(one: Message) -> bool:
    return all(one.string) if isinstance(one.string, (list, tuple)) else bool(one.string)


def defects(one: Message) -> Iterator[str]:
    if not translated(one):
        yield "not translated"
    elif one.fuzzy:
        yield "to be looked at (fuzzy)"
    elif not same_places(one):
        yield "values or marks differ"


def same_places(one: Message) -> bool:
    """Every form of the translation has the values and marks that the English has; a plural may say one without it."""
    english = one.id if isinstance(one.id, (list, tuple)) else (one.id,)
    german = one.string if isinstance(one.string, (list, tuple)) else (one.string or "",)
    return all(places(text) == places(said) for text, said in zip(english, german, strict=True))


def places(text: str) -> list[str]:
    return sorted(PLACES.findall(text))
