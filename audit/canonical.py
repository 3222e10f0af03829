"""Canonical JSON (RFC 8785): one value, one sequence of bytes, so that a hash of it means something."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NoReturn

LARGEST = 2**53 - 1
"""The largest integer every JSON reader understands exactly (RFC 7493)."""

_quoted = json.JSONEncoder(ensure_ascii=False).encode
_simple = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
"""Ten times as fast as ``dumps``, and the same for what was parsed from ASCII without floats or long numbers: there
keys are texts whose order in UTF-16 is that of their characters."""
_LONG_NUMBER = re.compile(rb"[0-9]{16}")
"""Nothing shorter is beyond ``LARGEST``."""


class CanonicalError(ValueError):
    """A value, or a text, that has no canonical form here."""


def dumps(value: object, *, floats: bool = False) -> bytes:
    """The canonical bytes of strings, integers, booleans, None, lists and dicts.

    Floats are refused unless asked for: privacy quantities travel as decimal strings, because a binary
    float cannot hold them exactly. Raises CanonicalError.
    """
    try:
        return _text(value, floats).encode()
    except UnicodeEncodeError as error:
        raise CanonicalError("a string holds half of a surrogate pair") from error
    except RecursionError as error:
        raise CanonicalError("nested too deeply") from error


def loads(data: bytes, *, floats: bool = False) -> Any:
    """Read JSON that must already be canonical: any other spelling of the same value is refused."""
    value = parse(data, floats=floats)
    if (dumps(value, floats=floats) if floats or not _is_simple(data) else _simple_dumps(value)) != data:
        raise CanonicalError("not in canonical form")
    return value


def _is_simple(data: bytes) -> bool:
    return data.isascii() and not _LONG_NUMBER.search(data)


def _simple_dumps(value: object) -> bytes:
    try:
        return _simple(value).encode()
    except (UnicodeEncodeError, RecursionError) as error:
        raise CanonicalError(f"no canonical form: {type(error).__name__}") from error


def parse(data: bytes | str, *, floats: bool = False) -> Any:
    """Read any JSON spelling, but refuse doubled keys, NaN, infinities and (unless asked for) floats."""
    try:
        text = data if isinstance(data, str) else data.decode()
        return (_WITH_FLOATS if floats else _WITHOUT_FLOATS).decode(text)
    except (ValueError, RecursionError) as error:
        raise CanonicalError(f"not readable as JSON: {type(error).__name__}") from error


def _text(value: object, floats: bool) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float) and floats:
        return _float(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(_text(item, floats) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(_member(key, value[key], floats) for key in _sorted_keys(value)) + "}"
    raise CanonicalError(f"{type(value).__name__} has no canonical form; use strings or integers")


def _member(key: str, value: object, floats: bool) -> str:
    return _quoted(key) + ":" + _text(value, floats)


def _sorted_keys(value: Mapping[Any, object]) -> list[str]:
    if not all(isinstance(key, str) for key in value):
        raise CanonicalError("keys must be strings")
    return sorted(value, key=lambda key: key.encode("utf-16-be"))


def _integer(value: int) -> str:
    if abs(value) > LARGEST:
        raise CanonicalError("an integer beyond 2**53 - 1; use a decimal string")
    return str(int(value))


def _float(value: float) -> str:
    """A double as ECMAScript prints it: the shortest digits that read back as the same double."""
    if not math.isfinite(value):
        raise CanonicalError("NaN and infinities have no canonical form")
    if value == 0:
        return "0"
    sign, digit_tuple, exponent = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, digit_tuple)).rstrip("0")
    point = len(digit_tuple) + int(exponent)
    return ("-" if sign else "") + _place_point(digits, point)


def _place_point(digits: str, point: int) -> str:
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    mantissa = digits if len(digits) == 1 else digits[0] + "." + digits[1:]
    return f"{mantissa}e{point - 1:+d}"


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise CanonicalError("a key occurs twice")
    return found


def _refuse_constant(_text: str) -> NoReturn:
    raise CanonicalError("a number that is not an integer")


def _decoder(parse_float: Callable[[str], Any]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_without_doubles, parse_constant=_refuse_constant, parse_float=parse_float
    )


_WITH_FLOATS, _WITHOUT_FLOATS = _decoder(float), _decoder(_refuse_constant)
