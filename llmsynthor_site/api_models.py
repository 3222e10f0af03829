"""Rows behind the API: tokens, answers kept for a repeated call, and where people have their notices sent."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class ApiToken(models.Model):
    """A key of one person for programs: for some scopes, until a day. Only its hash is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80, help_text="What it is for, in its owner's words")
    token_hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(help_text="What it may be used for; never more than its person's roles allow")
    bound_to = models.CharField(
        max_length=128, help_text="As sessions are: changes with password and roles, and ends the token"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="tokens_expire")]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    @property
    def stands(self) -> bool:
        """Neither revoked nor expired, and password and roles are those it was made under: it ends as sessions do."""
        fresh = self.revoked_at is None and self.expires_at > timezone.now()
        return fresh and self.user.is_active and self.bound_to == self.user.get_session_auth_hash()


class StoredAnswer(models.Model):
    """What a call with an idempotency key was answered, so that a repeated call changes nothing."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    via = models.CharField(max_length=40, help_text="The session, or the token, that asked")
    key = models.CharField(max_length=100)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, address and body")
    status = models.PositiveSmallIntegerField(null=True, help_text="None while it is being answered")
    content_type = models.CharField(max_length=100, blank=True)
    location = models.CharField(max_length=300, blank=True)
    etag = models.CharField(max_length=100, blank=True)
    body = models.BinaryField(null=True, help_text="None where it held a secret, which is kept nowhere")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "via", "key"], name="one_answer_a_key")]

    def __str__(self) -> str:
        return f"answer to {self.key}"


class Webhook(models.Model):
    """An address to which one person has their own notices sent. Its secret is worked out anew, never stored."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=300)
    nonce = models.CharField(max_length=32)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["user", "url"], condition=Q(ended_at=None), name="an_address_once")
        ]

    def __str__(self) -> str:
        return f"webhook {self.pk}"


class Delivery(models.Model):
    """One notice on its way to one webhook. This row is the outbox: it waits until it was taken, or given up."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    notice = models.ForeignKey("llmsynthor_site.Notice", on_delete=models.CASCADE, related_name="deliveries")
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=100, blank=True, help_text="What came of the last try")

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        indexes = [models.Index(fields=["next_try_at"], condition=Q(delivered_at=None), name="deliveries_waiting")]
        constraints = [models.UniqueConstraint(fields=["webhook", "notice"], name="sent_once")]

    def __str__(self) -> str:
        return f"notice {self.notice_id} to {self.webhook}"
