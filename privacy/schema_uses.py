"""What a dataset's data may be used for, in the terms of the Data Use Ontology, and whether it may be catalogued.

The codes and their short names are DUO's own (http://purl.obolibrary.org/obo/DUO_...); the words are ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from privacy.schema_reading import Reader

PERMISSIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "DUO:0000004": ("NRES", "any use"),
        "DUO:0000042": ("GRU", "any research"),
        "DUO:0000006": ("HMB", "research on health, medicine or biomedicine"),
        "DUO:0000007": ("DS", "research on a stated disease"),
        "DUO:0000011": ("POA", "research on population origins or ancestry only"),
    }
)
MODIFIERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "DUO:0000015": ("NMDS", "no development of general methods"),
        "DUO:0000016": ("GSO", "genetic studies only"),
        "DUO:0000018": ("NPUNCU", "neither commercial use nor use by companies"),
        "DUO:0000019": ("PUB", "results must be published"),
        "DUO:0000020": ("COL", "only together with those who collected the data"),
        "DUO:0000021": ("IRB", "an ethics committee must have approved"),
        "DUO:0000022": ("GS", "only in stated places"),
        "DUO:0000024": ("MOR", "nothing published before a stated day"),
        "DUO:0000025": ("TS", "until a stated day"),
        "DUO:0000026": ("US", "stated persons only"),
        "DUO:0000027": ("PS", "stated projects only"),
        "DUO:0000028": ("IS", "stated institutions only"),
        "DUO:0000029": ("RTN", "results come back to the data's owner"),
        "DUO:0000043": ("CC", "clinical care"),
        "DUO:0000044": ("NPOA", "no research on population origins or ancestry"),
        "DUO:0000045": ("NPU", "no use by companies"),
        "DUO:0000046": ("NCU", "no commercial use"),
    }
)
KNOWN: Mapping[str, tuple[str, str]] = MappingProxyType({**PERMISSIONS, **MODIFIERS})
FORM = re.compile(r"DUO:\d{7}")


@dataclass(frozen=True, slots=True)
class Uses:
    """``codes`` in the owner's order; ``catalogue``: packages made from the data may be named in public;
    ``exact_checks``: stewards may see counts without noise of how a synthetic table meets the rows.
    """

    codes: tuple[str, ...] = ()
    catalogue: bool = False
    exact_checks: bool = False

    def in_words(self) -> list[dict[str, str]]:
        return [{"code": code, "name": KNOWN[code][0], "words": KNOWN[code][1]} for code in self.codes]


def read_uses(top: Reader) -> Uses:
    """``dataUse``, ``catalogue`` and ``exactChecks``, all optional.

    A problem is noted for codes that are unknown or permit nothing.
    """
    codes = top.texts("dataUse") if top.get("dataUse") is not None else ()
    for code in codes:
        if code not in KNOWN:
            said = "is not one this site knows" if FORM.fullmatch(code) else "is not written DUO: and seven digits"
            top.problem(f"'dataUse': code {1 + codes.index(code)} {said}; docs/schema.md lists them")
    if codes and not set(codes) & set(PERMISSIONS):
        top.problem("'dataUse' must hold a code that permits a use, beside those that limit it")
    return Uses(codes, top.flag("catalogue", default=False), top.flag("exactChecks", default=False))
