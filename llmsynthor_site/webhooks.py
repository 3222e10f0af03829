"""Notices sent to where a person's own programs listen: signed, tried again with growing pauses, from an outbox.

A delivery is written in the transaction of its notice. The worker of the queue ``mail`` sends it, the one process
beside the door that reaches a network. What is sent says no more than the notice, which names no title and no person.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Iterable
from datetime import timedelta
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from celery import current_app
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac
from kombu.exceptions import OperationalError

from audit import events
from audit.actors import actor
from llmsynthor_site import posting
from llmsynthor_site.api_models import Delivery, Webhook
from llmsynthor_site.models import Notice

log = logging.getLogger(__name__)
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720))
"""After each failed try, before the next; after the last one a delivery is given up."""
AT_ONCE, MOST = 50, 5
TAKEN = timedelta(minutes=2)


@transaction.atomic
def add(*, by: Any, url: str) -> Webhook:
    """Send notices to an address from now on. ValidationError, with the rule, where the site may not."""
    try:
        posting.place_of(url)
    except posting.NotAllowed as problem:
        raise ValidationError({"url": f"{str(problem).capitalize()}."}) from None
    if Webhook.objects.filter(user=by, ended_at=None).count() >= MOST:
        raise ValidationError(f"You have {MOST} webhooks already: end one first.")
    try:
        with transaction.atomic():
            made = Webhook.objects.create(user=by, url=url, nonce=secrets.token_hex(16))
    except IntegrityError:
        raise ValidationError({"url": "Your notices are sent there already."}) from None
    tell(made, "added", by)
    return made


@transaction.atomic
def end(*, by: Any, webhook: Webhook) -> None:
    """Send nothing there any more, not even what waits. Ending what has ended changes nothing."""
    if Webhook.objects.filter(pk=webhook.pk, user=by, ended_at=None).update(ended_at=timezone.now()):
        tell(webhook, "ended", by)


def end_all(*, user: Any, by: Any) -> int:
    """End every webhook of somebody whose access ``by`` resets; how many there were."""
    found = list(Webhook.objects.select_for_update().filter(user=user, ended_at=None))
    Webhook.objects.filter(pk__in=[one.pk for one in found]).update(ended_at=timezone.now())
    for webhook in found:
        tell(webhook, "ended", by)
    return len(found)


def tell(webhook: Webhook, what: str, by: Any) -> None:
    user = webhook.user
    facts = {"webhook": webhook.pk, "user": user.username, "host": host_of(webhook)}
    events.record(action=f"site:webhook:{what}", by=actor(by), subject=f"user:{user.pk}", facts=facts)


def host_of(webhook: Webhook) -> str:
    return urlsplit(webhook.url).netloc


def secret_of(webhook: Webhook) -> str:
    """What signs its messages: worked out from the site's own secret, so that no copy of the database holds it."""
    return salted_hmac("llmsynthor.webhooks", f"{webhook.pk}:{webhook.nonce}", algorithm="sha256").hexdigest()


def signature(secret: str, at: int, body: bytes) -> str:
    """HMAC-SHA-256 of the time, a full stop and the body: a message caught cannot be sent again much later."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def enqueue(people: Iterable[Any], key: str) -> None:
    """Put the notices of this key in the outbox of everyone who has a webhook; in the caller's transaction."""
    listening = Webhook.objects.filter(user__in=[one.pk for one in people], ended_at=None)
    found = list(listening.order_by("pk"))
    if not found:
        return
    told = dict(Notice.objects.filter(key=key, user__in=[one.user_id for one in found]).values_list("user", "pk"))
    waiting = [Delivery(webhook=one, notice_id=told[one.user_id]) for one in found if one.user_id in told]
    Delivery.objects.bulk_create(waiting, ignore_conflicts=True)
    transaction.on_commit(kick)


def kick() -> None:
    """Tell the worker. A message that is lost costs only time: the sweeper looks too."""
    try:
        current_app.send_task("llmsynthor_site.tasks.send_webhooks", retry=False)
    except (OSError, OperationalError) as problem:
        log.warning("no message could be sent: %s", type(problem).__name__)


def due() -> QuerySet[Delivery]:
    waiting = Q(delivered_at=None, webhook__ended_at=None, webhook__user__is_active=True)
    found = Delivery.objects.filter(waiting, next_try_at__lte=timezone.now(), tries__lte=len(PAUSES))
    return found.select_related("webhook__user", "notice").order_by("pk")


def deliver() -> int:
    """Send what is due, and return how much arrived. What it tells of is in the log first."""
    if not settings.WEBHOOK_HOSTS:
        return 0
    events.flush()
    return sum(send(delivery) for delivery in due()[:AT_ONCE])


def send(delivery: Delivery) -> bool:
    """One try. The row is taken by counting it, so two workers never send one at once; the log knows of it before."""
    mine = Delivery.objects.filter(pk=delivery.pk, tries=delivery.tries, delivered_at=None)
    if not mine.update(tries=F("tries") + 1, next_try_at=timezone.now() + TAKEN):
        return False
    delivery.tries += 1
    webhook = delivery.webhook
    facts = {"webhook": webhook.pk, "delivery": delivery.pk, "host": host_of(webhook), "try": delivery.tries}
    events.append(action="site:webhook:sending", by="system", subject=f"user:{webhook.user_id}", facts=facts)
    return settled(delivery, outcome_of(delivery))


def outcome_of(delivery: Delivery) -> str:
    """What became of it, in words; empty where it was taken."""
    body, at = body_of(delivery), int(timezone.now().timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "llmsynthor-webhook",
        "Webhook-Id": str(delivery.pk),
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": f"v1={signature(secret_of(delivery.webhook), at, body)}",
    }
    try:
        status = posting.post(delivery.webhook.url, body, headers)
    except posting.NotAllowed as problem:
        return f"not sent: {problem}"[:100]
    except (OSError, HTTPException) as problem:
        return f"nobody answered: {type(problem).__name__}"[:100]
    return "" if 200 <= status < 300 else f"answered with {status}"


def body_of(delivery: Delivery) -> bytes:
    notice = delivery.notice
    told = {
        "delivery": delivery.pk, "notice": notice.pk, "text": notice.text, "url": f"{settings.SITE_URL}{notice.url}",
        "created_at": notice.created_at.isoformat(timespec="seconds"),
    }  # fmt: skip
    return json.dumps(told, sort_keys=True).encode()


def settled(delivery: Delivery, problem: str) -> bool:
    now = timezone.now()
    if not problem:
        Delivery.objects.filter(pk=delivery.pk).update(delivered_at=now, outcome="taken")
        return True
    pause = PAUSES[min(delivery.tries, len(PAUSES)) - 1]
    Delivery.objects.filter(pk=delivery.pk).update(outcome=problem, next_try_at=now + pause)
    return False
