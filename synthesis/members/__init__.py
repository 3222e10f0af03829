"""Members of units made from released tables: persons of households, trips of a day, lines of an invoice."""

from synthesis.members.model import MemberModel
from synthesis.members.people import People
from synthesis.members.rules import of_each
from synthesis.members.settings import MemberSettings
from synthesis.members.tables import Rule, Table

__all__ = ["MemberModel", "MemberSettings", "People", "Rule", "Table", "of_each"]
