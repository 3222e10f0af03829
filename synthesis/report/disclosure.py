"""What a package says in words of how its table was compared with the rows it came from. Pure."""

from __future__ import annotations

from typing import Any

Facts = dict[str, Any]

NOT_END_TO_END = (
    "Whoever decided to release this package had seen counts without noise of how its records meet the real ones. So "
    "that decision depends on the data, and no differential privacy is claimed from end to end: the guarantee "
    "is that of the statistics and of the table, had it been released whatever those counts were."
)
NO_CHECK = (
    "No check against the true rows was made, charged or uncharged, so nothing in this package is outside the "
    "guarantee but what is named as unprotected."
)
COINCIDENCE = (
    "Such a count does not tell copying from coincidence: where a table has few columns of few values, made-up records "
    "equal real ones by chance."
)


def is_end_to_end(facts: Facts) -> bool:
    """Whether a package claims its guarantee of everything that led to it, the decision to release it included."""
    return bool(facts["privacy"].get("end_to_end", True))


def sentences(told: Facts | None) -> list[str]:
    """``told`` is what the package says of its check (``synthesis.disclosures.facts``)."""
    match (told or {}).get("mode"):
        case "charged":
            assert told is not None
            return [charged(told), *(counted(one, told) for one in told["counts"]), COINCIDENCE]
        case "stewards":
            return [NOT_END_TO_END]
    return [NO_CHECK]


def charged(told: Facts) -> str:
    return (
        "After it was made, the table was compared with the true rows once, charged like every other look at them "
        f"(rho = {told['rho']}, within the privacy loss stated above). Records are compared in the declared categories."
    )


def counted(one: Facts, told: Facts) -> str:
    near = f"about {max(one['noised'], 0):,}, give or take {one['error_19_in_20']:,} (19 times in 20)"
    if one["question"].startswith("distinct"):
        return f"Distinct synthetic records that also occur in the data: {near}, of {told['distinct']:,} distinct ones."
    columns = f"{told['radius']} column{'' if told['radius'] == 1 else 's'}"
    return f"Rows of the data that differ from some synthetic record in at most {columns}: {near}."
