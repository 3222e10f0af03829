"""Strict reading of JSON: every key is known, every value of its kind, and all problems are collected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from privacy.problems import Problem, SchemaError

LONGEST_TEXT = 4000


def load(text: str | bytes) -> dict[str, Any]:
    """The object in ``text``; numbers keep their digits. SchemaError where it is no JSON object."""
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        rule = str(error) if isinstance(error, _StrictError) else "the schema must be valid JSON"
        raise SchemaError([Problem("", rule)]) from None
    if not isinstance(value, dict):
        raise SchemaError([Problem("", "the schema must be a JSON object")])
    return value


def as_text(text: str | bytes) -> str:
    """The declaration as text; SchemaError where the bytes are not UTF-8."""
    try:
        return text if isinstance(text, str) else text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SchemaError([Problem("", "the schema must be encoded as UTF-8")]) from None


class Reader:
    """One JSON object of the declaration. Asking for a key reads it; ``done`` reports the keys nobody asked for."""

    def __init__(self, value: object, *, column: str, problems: list[Problem], what: str) -> None:
        self.column, self.problems, self.what = column, problems, what
        self._values: Mapping[str, Any] = value if isinstance(value, dict) else {}
        self._asked: set[str] = set()
        if not isinstance(value, dict):
            self.problem(f"{what} must be an object")

    def problem(self, rule: str) -> None:
        self.problems.append(Problem(self.column, rule))

    def has(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> Any:
        """The raw value, for parts that are read on their own; None when absent."""
        self._asked.add(key)
        return self._values.get(key)

    def one_of(self, keys: tuple[str, ...]) -> str | None:
        """The single key of these that is there; None after noting that there is none, or several."""
        self._asked.update(keys)
        found = [key for key in keys if key in self._values]
        if len(found) == 1:
            return found[0]
        self.problem(f"{self.what} holds exactly one of: {', '.join(keys)}")
        return None

    def text(self, key: str, *, default: str | None = None, most: int = LONGEST_TEXT) -> str:
        value = self._value(key, default)
        if isinstance(value, str) and (value.strip() or default is not None):
            if len(value) <= most and _printable(value):
                return value.strip()
            self.problem(f"'{key}' must be printable text of at most {most} characters")
        elif value is not None:
            self.problem(f"'{key}' must be a text that is not empty")
        return default or ""

    def choice(self, key: str, choices: Iterable[str], *, default: str | None = None) -> str:
        options = tuple(choices)
        value = self._value(key, default)
        if value in options:
            return str(value)
        if value is not None:
            self.problem(f"'{key}' must be one of: {', '.join(options)}")
        return default or options[0]

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._value(key, default)
        if isinstance(value, bool):
            return value
        self.problem(f"'{key}' must be true or false")
        return default

    def whole(self, key: str, *, least: int, most: int, default: int | None = None) -> int:
        value = self._value(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        if value is not None:
            self.problem(f"'{key}' must be a whole number from {least} to {most}")
        return least if default is None else default

    def decimal(self, key: str) -> Decimal | None:
        value = self._value(key, None)
        number = as_decimal(value)
        if number is None and value is not None:
            self.problem(f"'{key}' must be a finite number")
        return number

    def texts(self, key: str, *, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        value = self._value(key, list(default) if default is not None else None)
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            stripped = tuple(each.strip() for each in value)
            if len(set(stripped)) == len(stripped) and all(map(_printable, stripped)):
                return stripped
            self.problem(f"'{key}' must hold distinct printable texts")
        elif value is not None:
            self.problem(f"'{key}' must be a list of texts that is not empty")
        return default or ()

    def done(self) -> None:
        for key in self._values:
            if key not in self._asked:
                self.problem(f"{self.what} has a key that is unknown or does not apply here: '{_quoted(key)}'")

    def _value(self, key: str, default: Any) -> Any:
        self._asked.add(key)
        if key not in self._values:
            if default is None:
                self.problem(f"{self.what} needs '{key}'")
            return default
        value = self._values[key]
        if value is None:
            self.problem(f"'{key}' must not be null")
            return default
        return value


class PartReader(Reader):
    """Reads one of several alike parts, such as tables: every problem says which it is in."""

    def problem(self, rule: str) -> None:
        super().problem(rule if rule.startswith(self.what) else f"{self.what}: {rule}")


def as_decimal(value: object) -> Decimal | None:
    """A JSON number, or a text holding one, with its own digits; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 30 else None


class _StrictError(ValueError):
    pass


def _no_constant(name: str) -> None:
    raise _StrictError("numbers in the schema must be finite")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _StrictError("the schema names a key twice in one object")
    return found


def _printable(text: str) -> bool:
    return all(character.isprintable() or character in "\n\t" for character in text)


def _quoted(key: str) -> str:
    return key[:60] if key.isprintable() else "(not printable)"
