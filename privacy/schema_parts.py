"""The parts of a declaration around its fields: privacy unit, cap, missing values, dialect."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
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


def _part(top: Reader, key: str, *, required: bool) -> Reader | None:
    """The object under ``key``; None, with a problem if it is required, when it is absent."""
    if not top.has(key):
        if required:
            top.problem(f"the schema needs '{key}'")
        return None
    return Reader(top.get(key), column="", problems=top.problems, what=f"'{key}'")


@dataclass(frozen=True, slots=True)
class DeclaredUnit:
    """``unit`` is None after a problem; ``column`` is known even then, so that its field is not misread."""

    unit: PrivacyUnit | None
    meaning: str = ""
    column: str | None = None
    null_identifiers: NullIdentifiers = "drop"


def read_unit(top: Reader) -> DeclaredUnit:
    unit = _part(top, "privacyUnit", required=True)
    if unit is None:
        return DeclaredUnit(None)
    before = len(top.problems)
    kind = unit.choice("kind", ("row", "identifier"))
    meaning = unit.text("means")
    neighbours = unit.choice("neighbours", ("add-remove", "change-one"), default="add-remove")
    column, k, nulls = None, 1, "drop"
    if kind == "identifier":
        column = unit.text("column")
        k = unit.whole("maxRows", least=1, most=MAX_ROWS_PER_UNIT)
        nulls = unit.choice("nullIdentifiers", ("drop", "own-unit"))
    unit.done()
    if len(top.problems) > before:
        return DeclaredUnit(None, meaning, column)
    found = PrivacyUnit(cast("UnitKind", kind), k, column, cast("Neighbours", neighbours))
    return DeclaredUnit(found, meaning, column, cast("NullIdentifiers", nulls))


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
    top: Reader, *, public: bool, missing: frozenset[str], identifier: str | None
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
            roles[name] = read_field(reader, public=public, missing=missing, identifier=identifier)
    return roles


def _name(top: Reader, field: object, place: int) -> str:
    name = field.get("name") if isinstance(field, dict) else None
    if isinstance(name, str) and name.strip() == name and name.isprintable() and 1 <= len(name) <= 100:
        return name
    top.problem(f"field {place} needs a 'name': printable, at most 100 characters, no space around it")
    return ""
