"""Who may have which tables of an engine counted: as the administrator lists it (``DATA_ENGINES``), or nobody.

Tables are named by patterns of their schema and their name, and no star reaches over the dot between the two: whoever
has one schema's tables has no other's. Letters count as they are written, since two tables may differ in their case.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from django.conf import settings

from privacy.schema_source import Source

UNKNOWN = "this site knows no engine of that name"
NOT_OPENED = (
    "the administrator has not opened this table of this engine to its owner here; who may have which tables counted "
    "is listed by table names as declared, with the schema or without one"
)


def why_not(source: Source, owner: str) -> str:
    """In words why the owner of this user name may not have the table counted; empty where they may."""
    owners = settings.DATA_ENGINES.get(source.engine)
    if owners is None:
        return UNKNOWN
    return "" if any(fits(pattern, source.table) for pattern in owners.get(owner, ())) else NOT_OPENED


def fits(pattern: str, table: str) -> bool:
    wanted, named = pattern.split("."), table.split(".")
    return len(wanted) == len(named) and all(map(fnmatchcase, named, wanted))
