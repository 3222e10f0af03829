"""Which packages descend from a dataset, a model or a template: whom to tell when one of these is found wrong."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet

from llmsynthor_site.desk.forms import LineageFilter
from synthesis.models import Package
from synthesis.prompts import TEMPLATES

MANIFEST = "run__request__manifest__body"
PLACES = 16
"""Templates that one manifest may list; more than the site has ever had."""


def packages(form: LineageFilter) -> QuerySet[Package]:
    """Packages that fit, newest first, each with ``receipts``, how many downloads there were."""
    asked = form.asked
    found = Package.objects.select_related("run__request__dataset", "run__request__manifest").defer("run__report")
    if asked.get("dataset"):
        found = found.filter(run__request__dataset=asked["dataset"])
    if asked.get("model"):
        found = found.filter(**{f"{MANIFEST}__model": asked["model"]})
    if asked.get("template"):
        found = found.filter(made_with(asked["template"]))
    moments = form.moments()
    if moments["since"]:
        found = found.filter(created_at__gte=moments["since"])
    if moments["until"]:
        found = found.filter(created_at__lte=moments["until"])
    return found.annotate(receipts=Count("grants__receipts")).order_by("-created_at")


def made_with(template: str) -> Q:
    """Packages whose run might have sent this template, by its hash: gate B froze the list."""
    return Q(*(Q(**{f"{MANIFEST}__templates__{place}__sha256": template}) for place in range(PLACES)), _connector=Q.OR)


def templates() -> list[tuple[str, str]]:
    """The templates of this version of the site, (hash, name); an earlier one's hash is typed into the address."""
    return [(template.sha256, f"{template.name} ({template.sha256[:8]}…)") for template in TEMPLATES]
