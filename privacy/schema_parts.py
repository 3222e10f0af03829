"""The parts of a declaration around its fields: privacy unit, cap, missing values, dialect."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from math import prod
from typing import Literal, cast

from privacy.accounting import rho_down, rho_for
from privacy.schema_columns import Role, read_field
from privacy.schema_reading import Reader
from privacy.values import Neighbours, PrivacyUnit, UnitKind

NullIdentifiers = Literal["drop", "own-unit"]
DELIMITERS = (",", ";", "\t", "|")
LARGEST_RHO = Decimal(900)
SMALLEST_DELTA = Decimal("1e-12")
LARGEST_DISCOVERY_DELTA = Decimal("0.001")
MAX_FIELDS = 1000
MAX_ROWS_PER_UNIT = 10_000
MAX_LEVELS = 4


def _part(top: Reader, key: str, *, required: bool) -> Reader | None:
    """The object under ``key``; None, with a problem if it is required, when it is absent."""
    if not top.has(key):
        if required:
            top.problem(f"the schema needs '{key}'")
        return None
    return Reader(top.get(key), column="", problems=top.problems, what=f"'{key}'")


@dataclass(frozen=True, slots=True)
class Nesting:
    """Between a unit and its rows: each level's column with the most members under one parent, from the top.

    ``rows_each``: the most rows of one member of the last level.
    """

    levels: tuple[tuple[str, int], ...]
    rows_each: int

    def in_words(self) -> str:
        levels = ", each with ".join(f"up to {most} {column}" for column, most in self.levels)
        return f"with {levels}, each with up to {self.rows_each} rows"


@dataclass(frozen=True, slots=True)
class DeclaredUnit:
    """``unit`` is None after a problem; ``columns`` are known even then, so that their fields are not misread."""

    unit: PrivacyUnit | None
    meaning: str = ""
    columns: tuple[str, ...] = ()
    null_identifiers: NullIdentifiers = "drop"
    nesting: Nesting | None = None


def read_unit(top: Reader) -> DeclaredUnit:
    unit = _part(top, "privacyUnit", required=True)
    if unit is None:
        return DeclaredUnit(None)
    before = len(top.problems)
    kind = unit.choice("kind", ("row", "identifier"))
    meaning = unit.text("means")
    neighbours = unit.choice("neighbours", ("add-remove", "change-one"), default="add-remove")
    column, k, nulls, nesting = None, 1, "drop", None
    if kind == "identifier":
        column = unit.text("column")
        k = unit.whole("maxRows", least=1, most=MAX_ROWS_PER_UNIT)
        nulls = unit.choice("nullIdentifiers", ("drop", "own-unit"))
        nesting = _read_nesting(unit, k) if unit.has("levels") else None
    unit.done()
    columns = () if column is None else (column, *(name for name, _ in (nesting.levels if nesting else ())))
    if len(set(columns)) != len(columns):
        unit.problem("the privacy unit and its levels need columns of their own, each once")
    if len(top.problems) > before:
        return DeclaredUnit(None, meaning, columns)
    found = PrivacyUnit(cast("UnitKind", kind), k, column, cast("Neighbours", neighbours))
    return DeclaredUnit(found, meaning, columns, cast("NullIdentifiers", nulls), nesting)


def _read_nesting(unit: Reader, k: int) -> Nesting:
    """The levels between a unit and its rows; problems are noted."""
    levels = unit.get("levels")
    if not isinstance(levels, list) or not 1 <= len(levels) <= MAX_LEVELS:
        unit.problem(f"'levels' must be a list of 1 to {MAX_LEVELS} levels")
        levels = []
    each = unit.whole("maxRowsPerMember", least=1, most=MAX_ROWS_PER_UNIT, default=k)
    nesting = Nesting(tuple(_level(unit, level, place) for place, level in enumerate(levels, start=1)), each)
    most = prod(most for _, most in nesting.levels) * each
    if k > most:
        unit.problem(f"'maxRows' must be at most {most}, which is all that 'levels' and 'maxRowsPerMember' allow")
    return nesting


def _level(unit: Reader, level: object, place: int) -> tuple[str, int]:
    reader = Reader(level, column="", problems=unit.problems, what=f"level {place} of the privacy unit")
    found = reader.text("column"), reader.whole("maxMembers", least=1, most=MAX_ROWS_PER_UNIT)
    reader.done()
    return found


def read_cap(top: Reader) -> tuple[Decimal | None, Decimal | None, Decimal]:
    """The population's cap as rho, the delta at which epsilon is shown, and the delta for key discovery."""
    cap = _part(top, "cap", required=True)
    if cap is None:
        return None, None, Decimal(0)
    for_discovery = cap.decimal("discoveryDelta") if cap.has("discoveryDelta") else Decimal(0)
    if for_discovery is None or not (for_discovery == 0 or SMALLEST_DELTA <= for_discovery <= LARGEST_DISCOVERY_DELTA):
        cap.problem(f"'discoveryDelta' must be 0, or from {SMALLEST_DELTA} to {LARGEST_DISCOVERY_DELTA}")
        for_discovery = Decimal(0)
    rho, delta = _read_rho(cap)
    return rho, delta, for_discovery


def _read_rho(cap: Reader) -> tuple[Decimal | None, Decimal | None]:
    delta = cap.decimal("delta")
    if delta is not None and not SMALLEST_DELTA <= delta < 1:
        cap.problem(f"'delta' must be at least {SMALLEST_DELTA} and below 1")
        delta = None
    kind = cap.one_of(("rho", "epsilon"))
    amount = cap.decimal(kind) if kind else None
    cap.done()
    if amount is None or delta is None:
        return None, delta
    if not 0 < amount <= LARGEST_RHO:
        cap.problem(f"the cap must be above 0 and at most {LARGEST_RHO}")
        return None, delta
    rho = rho_for(epsilon=amount, delta=delta) if kind == "epsilon" else rho_down(amount)
    if rho <= 0:
        cap.problem("the cap is too small to measure anything")
    return rho, delta


def read_missing(top: Reader) -> tuple[str, ...]:
    values = top.get("missingValues")
    if values is None:
        return ("",)
    if isinstance(values, list) and all(isinstance(each, str) for each in values):
        return ("", *(each.strip() for each in values))
    top.problem("'missingValues' must be a list of texts")
    return ()


def read_delimiter(top: Reader) -> str:
    dialect = _part(top, "dialect", required=False)
    if dialect is None:
        return ","
    delimiter = dialect.get("delimiter")
    if delimiter not in DELIMITERS:
        dialect.problem("'delimiter' must be one of: comma, semicolon, tab, vertical bar")
    dialect.done()
    return str(delimiter)


def read_fields(
    top: Reader, *, public: bool, missing: frozenset[str], identifiers: Collection[str]
) -> dict[str, Role | None]:
    """Every field by name, in order; a field with problems is None."""
    fields = top.get("fields")
    if not isinstance(fields, list) or not 1 <= len(fields) <= MAX_FIELDS:
        top.problem(f"'fields' must be a list of 1 to {MAX_FIELDS} fields")
        return {}
    roles: dict[str, Role | None] = {}
    for place, field in enumerate(fields, start=1):
        name = _name(top, field, place)
        if name in roles:
            top.problem(f"two fields are named '{name}'")
        elif name:
            reader = Reader(field, column=name, problems=top.problems, what="the field")
            reader.get("name")
            roles[name] = read_field(reader, public=public, missing=missing, is_identifier=name in identifiers)
    return roles


def _name(top: Reader, field: object, place: int) -> str:
    name = field.get("name") if isinstance(field, dict) else None
    if isinstance(name, str) and name.strip() == name and name.isprintable() and 1 <= len(name) <= 100:
        return name
    top.problem(f"field {place} needs a 'name': printable, at most 100 characters, no space around it")
    return ""
