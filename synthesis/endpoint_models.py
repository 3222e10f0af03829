"""Where language models answer, and what is known of each place."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import Q


@dataclass(frozen=True, slots=True)
class Provider:
    """Where prompts go: a name on the list, the model there, the address behind it."""

    name: str
    model: str
    address: str
    local: bool

    def as_json(self) -> dict[str, Any]:
        return {"endpoint": self.name, "model": self.model, "address": self.address, "local": self.local}


class Endpoint(models.Model):
    """A place where a proposer answers, on the list an administrator keeps."""

    name = models.CharField(max_length=100, unique=True)
    base_url = models.URLField(help_text="Root of an OpenAI-compatible API, for example http://localhost:8000/v1")
    model = models.CharField(max_length=200)
    is_local = models.BooleanField(
        default=False, help_text="Runs inside the organisation; gate B then needs one steward"
    )
    enabled = models.BooleanField(default=True)
    prompt_price = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    completion_price = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    money_cap = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(prompt_price=None, completion_price=None, money_cap=None)
                | Q(
                    prompt_price__isnull=False,
                    completion_price__isnull=False,
                    money_cap__isnull=False,
                    prompt_price__gte=0,
                    completion_price__gte=0,
                    money_cap__gt=0,
                ),
                name="prices_come_with_a_cap",
                violation_error_message="Prices and the most a request may cost are declared together, or not at all.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.model})"

    @staticmethod
    def with_newest_probe() -> models.QuerySet[Any]:
        """The endpoints by name, with ``newest``: the key of the newest probe of each that came to its end, or None."""
        ended = Probe.objects.filter(endpoint=models.OuterRef("pk"), finished_at__isnull=False).order_by("-asked_at")
        return Endpoint.objects.order_by("name").annotate(newest=models.Subquery(ended.values("pk")[:1]))

    @property
    def probed(self) -> Probe | None:
        """The newest probe that came to its end."""
        return self.probes.exclude(finished_at=None).first()

    @property
    def prices(self) -> dict[str, str] | None:
        """Per million tokens, in the currency of the cap; None where nobody declared any."""
        if self.prompt_price is None or self.completion_price is None:
            return None
        return {"prompt": f"{self.prompt_price.normalize():f}", "completion": f"{self.completion_price.normalize():f}"}


class Probe(models.Model):
    """One look at what an endpoint does: asked for by a person, made through the door, kept with what it found.

    Address and model are those it was asked for, whatever becomes of the endpoint. People are named as in the log.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="probes")
    address = models.URLField()
    model = models.CharField(max_length=200)
    asked_by = models.CharField(max_length=200)
    asked_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=200, blank=True, help_text="Why it found out nothing, or not everything")
    found = models.JSONField(default=dict)

    class Meta:
        ordering = ["-asked_at"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"probe {self.pk} of {self.endpoint_id}"
