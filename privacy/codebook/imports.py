"""Which kind of codebook it is, by what it looks like, and its draft."""

from __future__ import annotations

from privacy.codebook import plain, redcap, tableschema
from privacy.codebook.draft import CodebookRefused, Draft
from privacy.codebook.sheets import MOST_BYTES, rows_of
from privacy.problems import SchemaError


def draft_from(content: bytes) -> Draft:
    """A draft from a Table Schema, a REDCap dictionary, or a codebook in CSV or XLSX.

    CodebookRefused with every problem by variable and rule; none quotes an entry.
    """
    if content[:MOST_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        try:
            return tableschema.draft(content[: MOST_BYTES + 1])
        except SchemaError as broken:
            raise CodebookRefused(broken.problems) from None
    rows = rows_of(content)
    return redcap.draft(rows) if redcap.is_dictionary(rows[0]) else plain.draft(rows)
