"""English texts of the product, said in the reader's language.

Nothing below the pages translates: what services, tables and models say is English, and is logged, hashed and sent as
it stands. Only where such a text is shown is it looked up, by itself or, where it has values in it, by its pattern.
"""

from __future__ import annotations

import gettext as plain_gettext
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.safestring import SafeString, mark_safe

PLACE = re.compile(r"\{(\d)\}")


def in_english() -> bool:
    return (translation.get_language() or settings.LANGUAGE_CODE).startswith("en")


def said(text: Any) -> Any:
    """A text of the product in the reader's language; any other text, and everything in English, as it stands."""
    if not text or in_english():
        return text
    english = str(text)
    known = translation.gettext(english.replace("%", "%%")).replace("%%", "%")
    found = translation.gettext(english) if known == english else known
    found = by_pattern(english, str(translation.get_language())) if found == english else found
    return mark_safe(found) if isinstance(text, SafeString) else found  # noqa: S308  # nosec - as safe as the English was


def by_pattern(english: str, language: str) -> str:
    """A text with values in it, such as ``Request {0} waits.``; the longest pattern that fits says it.

    A value may be a text of the product itself: it is said too.
    """
    for pattern, translated in patterns(language):
        if found := pattern.fullmatch(english):
            return PLACE.sub(lambda place: str(said(found[f"at{place[1]}"])), translated)
    return english


@cache
def patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """(what the English text looks like, what it is in ``language``), the most telling first."""
    path = settings.LOCALE_PATHS[0] / language / "LC_MESSAGES" / "django.mo"
    if not path.exists():
        return []
    with path.open("rb") as file:
        known = plain_gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]  # there is no other way in
    found = {one: text for one, text in known.items() if isinstance(one, str) and PLACE.search(one)}
    longest = sorted(found, key=lambda one: -len(PLACE.sub("", one)))
    return [(compiled(one), found[one]) for one in longest]


def compiled(msgid: str) -> re.Pattern[str]:
    pieces = PLACE.split(msgid)  # literal, number, literal, ...
    parts = [f"(?P<at{piece}>.+?)" if at % 2 else re.escape(piece) for at, piece in enumerate(pieces)]
    return re.compile("".join(parts), re.DOTALL)


@contextmanager
def language_for(user: Any) -> Iterator[None]:
    """Whatever is written inside is written to this person: in the language of their settings, else in English."""
    with translation.override(known_or_english(getattr(user, "language", ""))):
        yield


def known_or_english(code: str) -> str:
    return code if code in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
