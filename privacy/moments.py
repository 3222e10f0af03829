"""How dates and times are spelled in a file, read and written without a locale or a time zone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

MomentKind = Literal["date", "datetime", "time"]
_ISO_DATE = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_ISO_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.[0-9]{1,9})?)?"
_DEFAULT_PATTERNS: Mapping[MomentKind, str] = {
    "date": _ISO_DATE,
    "datetime": f"{_ISO_DATE}[T ]{_ISO_TIME}Z?",
    "time": _ISO_TIME,
}
_DEFAULT_FORMATS: Mapping[MomentKind, str] = {
    "date": "%Y-%m-%d",
    "datetime": "%Y-%m-%dT%H:%M:%S",
    "time": "%H:%M:%S",
}
_DIRECTIVES: Mapping[str, tuple[str, str]] = {
    "%Y": ("year", "[0-9]{4}"),
    "%m": ("month", "[0-9]{1,2}"),
    "%d": ("day", "[0-9]{1,2}"),
    "%H": ("hour", "[0-9]{1,2}"),
    "%M": ("minute", "[0-9]{1,2}"),
    "%S": ("second", "[0-9]{1,2}"),
}
_NEEDED: Mapping[MomentKind, frozenset[str]] = {
    "date": frozenset({"%Y", "%m", "%d"}),
    "datetime": frozenset({"%Y", "%m", "%d", "%H"}),
    "time": frozenset({"%H"}),
}
ANY_DAY = {"year": 2000, "month": 1, "day": 1}
LONGEST_FORMAT = 60
FORMAT_RULE = (
    "'format' must be 'default' or made of %Y %m %d (and %H %M %S for times), each at most once, "
    "with something between them that is no letter or digit"
)


@dataclass(frozen=True)
class Spelling:
    """One way of writing moments; ``read`` takes what ``write`` gives."""

    pattern: re.Pattern[str]
    template: str

    def read(self, text: str) -> datetime | None:
        """The moment, or None where the text is none (a 30 February included)."""
        found = self.pattern.fullmatch(text)
        if found is None:
            return None
        parts = {name: int(digits) for name, digits in found.groupdict().items() if digits is not None}
        try:
            return datetime(**(ANY_DAY | parts))  # type: ignore[arg-type]  # every group holds a number of its name
        except ValueError:
            return None

    def write(self, moment: datetime) -> str:
        return self.template.format(moment)


def spelling(kind: MomentKind, declared: str) -> Spelling | None:
    """The declared way of writing, ``default`` being ISO 8601; None where it breaks FORMAT_RULE."""
    if declared == "default":
        return Spelling(re.compile(_DEFAULT_PATTERNS[kind]), _template(_DEFAULT_FORMATS[kind]))
    pieces = re.split(r"(%.)", declared)
    directives, between = pieces[1::2], pieces[2:-1:2]
    if not _well_formed(kind, declared, directives, between):
        return None
    pattern = "".join(_group(piece) for piece in pieces)
    return Spelling(re.compile(pattern), _template(declared))


def _well_formed(kind: MomentKind, declared: str, directives: list[str], between: list[str]) -> bool:
    known = set(directives) <= set(_DIRECTIVES) and len(set(directives)) == len(directives)
    apart = all(text and not any(character.isalnum() or character == "%" for character in text) for text in between)
    fits = _NEEDED[kind] <= set(directives) and (kind != "date" or not {"%H", "%M", "%S"} & set(directives))
    days = kind != "time" or not {"%Y", "%m", "%d"} & set(directives)
    return len(declared) <= LONGEST_FORMAT and known and apart and fits and days


def _template(declared: str) -> str:
    """The format for ``str.format`` of a moment; years before 1000 keep their four digits."""
    template = declared.replace("{", "{{").replace("}", "}}")
    for directive, (name, _) in _DIRECTIVES.items():
        template = template.replace(directive, f"{{0.{name}:0{4 if name == 'year' else 2}d}}")
    return template


def _group(piece: str) -> str:
    if piece in _DIRECTIVES:
        name, digits = _DIRECTIVES[piece]
        return f"(?P<{name}>{digits})"
    return re.escape(piece)
