"""Free text as it is declared: left out of everything, or written anew from each synthetic record.

Either way no cell of it is ever coded, counted or kept: what the vault seals has no such column.
"""

from __future__ import annotations

from dataclasses import dataclass

from privacy.schema_reading import Reader

LONGEST = 2000
LONGEST_INSTRUCTION = 500


@dataclass(frozen=True, slots=True)
class Written:
    """A column of text that a language model writes: at most ``most`` characters a cell, in ``language``, as told.

    Name, language and instruction are public: they are told to the model.
    """

    name: str
    most: int
    language: str
    instruction: str


def read_free_text(field: Reader, kind: str) -> Written | None:
    """What ``freeText`` says: None for true, a column that is left out."""
    if kind != "string":
        field.problem("only a field of type string can be free text")
    declared = field.get("freeText")
    if not isinstance(declared, dict):
        field.flag("freeText", default=False)
        return None
    text = Reader(declared, column=field.column, problems=field.problems, what="'freeText'")
    found = Written(
        field.column,
        text.whole("maxLength", least=1, most=LONGEST),
        text.text("language", most=60),
        text.text("instruction", most=LONGEST_INSTRUCTION),
    )
    text.done()
    return found
