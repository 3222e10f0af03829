"""processing.csv: one line for a controller's records of processing activities (GDPR, Article 30(1)). Pure."""

from __future__ import annotations

import csv
import io
from typing import Any

from synthesis.guarding import guard_cell
from synthesis.register import deciding

Facts = dict[str, Any]

MEASURES = (
    "Raw rows encrypted at rest and opened by the measuring worker alone; beyond it differentially private statistics "
    "only; every prompt logged before it leaves, in a log that shows any change. Decided by: "
)


def line(facts: Facts, entry: Facts) -> dict[str, str]:
    """The fields by name, each with the paragraph that asks for it."""
    told = entry["controller"]
    return {
        "processing activity": f"Synthetic data for: {facts['title']} (request {facts['request']})",
        "controller and contact (a)": f"{told['name']}; {told['contact']}",
        "data protection officer (a)": told["officer"],
        "purposes (b)": entry["purpose"],
        "categories of data subjects (c)": entry["population"],
        "categories of personal data (c)": ", ".join(one["title"] or one["name"] for one in entry["columns"]),
        "categories of recipients (d)": recipients(entry["endpoint"]),
        "transfers to third countries (e)": transfers(entry["endpoint"]),
        "time limits for erasure (f)": f"Links end after {entry['days']} days. Raw rows: as their owner set.",
        "technical and organisational measures (g)": f"{MEASURES}{deciding.in_words(facts, entry)}.",
    }


def recipients(endpoint: Facts | None) -> str:
    receiver = "The requester, who receives synthetic rows"
    if endpoint is None:
        return f"{receiver}. No language model was asked."
    where = "inside" if endpoint["local"] else "outside"
    operator = f"The operator of {endpoint['model']}, {where} the organisation"
    return f"{receiver}. {operator}: noisy statistics and declared facts."


def transfers(endpoint: Facts | None) -> str:
    if endpoint is None or endpoint["local"]:
        return "None."
    return f"No personal data. Where {endpoint['model']} is operated: to be stated by the controller."


def record(facts: Facts, entry: Facts) -> str:
    told = line(facts, entry)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([told, [guard_cell(value) for value in told.values()]])
    return out.getvalue()
