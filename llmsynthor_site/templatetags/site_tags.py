"""Tags that turn figures into words and drawings, used by the templates of every room."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import template
from django.forms import BoundField, ModelChoiceField
from django.template.context import Context
from django.urls import reverse

from llmsynthor_site import charts
from llmsynthor_site.languages import saying
from llmsynthor_site.languages.saying import said
from synthesis import probe_words

register = template.Library()
register.filter("said", said)

# Label, address, and the permissions of which one is enough; no permission means everyone who is signed in.
NAVIGATION: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Home", "home", ()),
    ("Datasets", "dataset-list", ("privacy.view_dataset", "privacy.browse_catalogue")),
    ("Requests", "request-list", ("synthesis.view_request", "synthesis.make_request")),
    ("Caps", "cap-raises", ("privacy.register_dataset",)),
    ("Endpoints", "endpoint-list", ("synthesis.manage_endpoints",)),
    ("Door", "door", ("synthesis.stop_egress", "audit.view_log")),
    ("Machines", "health", ("llmsynthor_site.watch_machines",)),
    ("People", "people", ("llmsynthor_site.manage_people", "llmsynthor_site.confirm_people")),
    ("Audit desk", "desk", ("audit.view_log",)),
    ("Audit log", "audit-log", ("audit.view_log",)),
    ("Help", "help", ()),
)


DESK: tuple[tuple[str, str], ...] = (
    ("Overview", "desk"),
    ("Log", "audit-log"),
    ("LLM exposure", "desk-exposure"),
    ("Ledger", "desk-ledger"),
    ("Duties", "desk-duties"),
    ("Access", "desk-access"),
    ("Lineage", "desk-lineage"),
    ("Verification", "audit-check"),
)


@register.inclusion_tag("components/desk_nav.html", takes_context=True)
def desk_navigation(context: Context) -> dict[str, Any]:
    """The auditor's pages, the current one marked."""
    here = context["request"].path
    links = [{"label": said(label), "url": reverse(name), "here": here == reverse(name)} for label, name in DESK]
    return {"links": links}


@register.inclusion_tag("components/navigation.html", takes_context=True)
def main_navigation(context: Context) -> dict[str, Any]:
    """The pages this person may open, the current one marked."""
    user, path = context["user"], context["request"].path
    links = []
    for label, name, needed in NAVIGATION:
        if not needed or any(user.has_perm(permission) for permission in needed):
            url = reverse(name)
            links.append(
                {"label": said(label), "url": url, "here": path == url or (url != "/" and path.startswith(url))}
            )
    return {"links": links}


@register.inclusion_tag("components/odds.html")
def odds(rho: Decimal | float, unit: str = "one person", what: str = "this request") -> dict[str, Any]:
    """Privacy loss as the odds of an attacker who knows everything but one person's presence; ``what`` spends it."""
    shown = charts.odds(float(rho))
    return {"odds": shown, "icons": charts.icons(shown), "unit": said(unit), "what": said(what)}


BUDGET = {"spent": "Spent", "reserved": "Reserved", "request": "This request", "left": "Left"}


@register.inclusion_tag("components/budget_bar.html")
def budget_bar(cap: Decimal, spent: Decimal, reserved: Decimal, request: Decimal = Decimal(0)) -> dict[str, Any]:
    """The cap of a population: what is gone, what is promised, what this request would take, what stays."""
    left = max(Decimal(0), cap - spent - reserved - request)
    amounts = [("spent", spent), ("reserved", reserved), ("request", request), ("left", left)]
    parts = charts.bar([(name, float(amount)) for name, amount in amounts])
    legend = [(name, said(BUDGET[name]), amount) for name, amount in amounts if amount or name in {"spent", "left"}]
    return {"parts": parts, "legend": legend, "cap": cap, "over": spent + reserved + request > cap}


@register.inclusion_tag("components/line_chart.html")
def discrepancy_chart(iterations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The discrepancy curve and its table; each iteration is {number, residual, tvd2, accepted}."""
    series = [(int(row["number"]), float(row["residual"])) for row in iterations]
    last = iterations[-1] if iterations else None
    return {"chart": charts.line_chart(series, floor=1.0), "rows": iterations, "last": last}


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, kind: str = "") -> dict[str, Any]:
    """One form field: label, hint, what is wrong, control. ``kind`` may be 'short'."""
    say_choices(bound)
    return {"field": bound, "kind": kind, "checkbox": bound.widget_type == "checkbox"}


@register.filter
def choices_said(bound: BoundField) -> BoundField:
    """The control itself, its choices in the reader's language."""
    say_choices(bound)
    return bound


def say_choices(bound: BoundField) -> None:
    """A form's fields are its own copies, so what is set here is seen on this page alone."""
    field: Any = bound.field
    if saying.in_english() or not hasattr(field, "choices"):
        return
    if isinstance(field, ModelChoiceField):
        field.empty_label = said(field.empty_label)
        field.say = said  # type: ignore[attr-defined]  # of fields that tell more than a row's name
    else:
        field.widget.choices = [labelled(*choice) for choice in field.choices]


def labelled(value: Any, label: Any) -> tuple[Any, Any]:
    """One choice, or one group of choices, in the reader's language."""
    if isinstance(label, (list, tuple)):
        return said(value), [labelled(*choice) for choice in label]
    return value, said(label)


def figure(written: str) -> str:
    """A figure as the reader writes it: 1,234.5 is 1.234,5 in German."""
    return written if saying.in_english() else written.translate(str.maketrans(",.", ".,"))


@register.filter
def lowered(text: str) -> str:
    """In small letters inside a sentence, in English: German nouns keep theirs."""
    return text.lower() if saying.in_english() else text


@register.filter
def grouped(number: int | None) -> str:
    """12345 as 12,345; nothing as a dash."""
    return "–" if number is None else figure(f"{number:,}")


@register.filter
def whole(number: float) -> str:
    """A figure rounded up to a whole number: 12.1 as 13."""
    return figure(f"{math.ceil(number):,}")


@register.filter
def fact(value: Any) -> str:
    """A fact of an entry: text as it is, anything else as JSON, as it stands in the entry."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


FIGURES = {
    "prompt_tokens": "tokens of prompts",
    "completion_tokens": "tokens of answers",
    "seconds": "seconds until the answer",
    "rate_requests": "calls allowed a minute",
    "rate_tokens": "tokens allowed a minute",
}
"""What endpoints and the door call the figures of a call, and what pages call them."""


@register.filter
def in_words(text: str) -> str:
    """A figure's name as pages say it, also inside a sentence; what is stored keeps the name."""
    if text in FIGURES:
        return str(said(FIGURES[text]))
    return re.sub(r"\b(\w+_tokens)\b", lambda found: str(said(FIGURES.get(found[1], found[1]))), text)


@register.filter
def plain(number: Decimal | float | str | None, digits: int = 4) -> str:
    """A figure with at most ``digits`` significant digits and no needless zeros."""
    if number is None or number == "":
        return "–"
    value = float(number)
    if value and not 1e-5 <= abs(value) < 1e6:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        return figure(f"{float(mantissa):g}e{int(exponent)}")
    return figure(f"{value:.{digits}g}")


@register.filter
def probed(found: dict[str, Any]) -> str:
    """What a probe of an endpoint found, in a few words, each part in the reader's language."""
    return ", ".join(str(said(part)) for part in probe_words.in_short(found).split(", "))


@register.filter
def share(number: float | None) -> str:
    """0.0312 as 3.12 %."""
    return "–" if number is None else figure(f"{100 * float(number):.2f} %")


@register.filter
def verbatim(text: str) -> str:
    """A text that others wrote, inside Markdown, tables included: no link and no image is made of it."""
    return "`" + " ".join(str(text).split()).replace("`", "'").replace("|", "\\|") + "`"


TONES = {
    "released": "good",
    **dict.fromkeys(("rejected", "failed", "revoked", "recalled"), "bad"),
    **dict.fromkeys(("returned", "submitted", "in_review", "measured", "checking", "paused"), "warn"),
    **dict.fromkeys(("approved", "reserved", "measuring", "synthesising", "comparing"), "info"),
}


@register.inclusion_tag("components/tag.html")
def state_tag(request: Any) -> dict[str, str]:
    """Where a request stands, in words; the colour only repeats them."""
    return {"text": said(request.get_state_display()), "tone": TONES.get(request.state, "")}


PROMPT_TONES = {"answered": "good", "failed": "bad", "in_doubt": "bad", "sending": "info", "intent": "info"}


@register.inclusion_tag("components/tag.html")
def prompt_tag(record: Any) -> dict[str, str]:
    """How far one recorded call got, in words; the colour only repeats them."""
    return {"text": said(record.get_state_display()), "tone": PROMPT_TONES.get(record.state, "")}
