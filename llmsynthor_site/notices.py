"""Telling people what waits for them or became of theirs: in the site, and by mail.

A notice is written in the transaction of the step it tells of. It never names a title, a purpose or a person: mail
leaves the site. Votes are blind, so no step that is a vote has a line in the table, only what all of them decided.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.signals import post_save
from django.urls import reverse
from django.utils import timezone, translation
from kombu.exceptions import OperationalError

from audit import events
from llmsynthor_site import webhooks
from llmsynthor_site.languages.saying import language_for, said
from llmsynthor_site.models import Notice, User
from privacy.models import CapRaise, StewardWaiver
from synthesis.models import SynthesisRequest
from synthesis.transitions import moved

log = logging.getLogger(__name__)
AT_ONCE, TRIES = 100, 5
REQUESTER, STEWARDS = "requester", "stewards"
WAIVED = "A dataset's owner lets one steward decide on its requests from now on."
NOT_WAIVED = "A dataset's owner lets two stewards decide again."
STAYS = frozenset({"claim", "condition", "accept"})
"""Steps that leave a request where it is, and whoever was asked still asked."""

# Step of a request -> who is told, and what; {0} is the short handle of the request.
TOLD: dict[str, tuple[str, str]] = {
    "submit": (STEWARDS, "Request {0} waits for decisions at gate A: may it be measured?"),
    "condition": (REQUESTER, "A steward would approve your request {0} on a condition: accept it, or take it back."),
    "renew": (STEWARDS, "More time is asked for on request {0}: gate C decides again."),
    "recall": (REQUESTER, "The package of your request {0} is recalled: stop using it, and acknowledge."),
    "expire": (REQUESTER, "The time of your request {0} is over. You can ask for more."),
    "lapse": (REQUESTER, "Nobody decided on your request {0} in time: it has ended."),
    "return": (REQUESTER, "Your request {0} came back with comments."),
    "approve": (REQUESTER, "Your request {0} is approved for measuring."),
    "reject": (REQUESTER, "Your request {0} was rejected."),
    "measured": (STEWARDS, "Request {0} waits for decisions at gate B: may this leave?"),
    "pause": (STEWARDS, "The run of request {0} is paused and waits for a steward."),
    "check": (STEWARDS, "Request {0} waits for decisions at gate C: may the table be handed over?"),
    "release": (REQUESTER, "Your request {0} is released: the package can be downloaded."),
    "stop": (REQUESTER, "The run of your request {0} was stopped."),
    "fail": (REQUESTER, "Your request {0} failed."),
    "revoke": (REQUESTER, "The release of your request {0} was revoked: stop using copies of it."),
}


def listen() -> None:
    """Hear of every step of every request from now on."""
    moved.connect(on_step, dispatch_uid="notices")
    post_save.connect(on_raise, sender=CapRaise, dispatch_uid="notices of caps")
    post_save.connect(on_waiver, sender=StewardWaiver, dispatch_uid="notices of waivers")


def on_raise(*, instance: CapRaise, created: bool, **_: Any) -> None:
    """A higher cap waits for a second data owner; once it has one, it waits for nobody."""
    key, url = f"cap:{instance.pk}", reverse("cap-raise", args=[instance.pk])
    if created:
        text = "A higher cap waits for a second data owner."
        tell(holding("owner"), text, url=url, key=f"{key}:proposed", by=instance.proposed_by)
    elif not instance.waits:
        about(key).filter(read_at=None).update(read_at=timezone.now())
        if instance.ended_at is not None:
            text = "A higher cap that you proposed was declined."
            tell([instance.proposed_by], text, url=url, key=f"{key}:declined", by=instance.ended_by)


def on_waiver(*, instance: StewardWaiver, **_: Any) -> None:
    """Stewards know that one of them decides alone, or that two do again."""
    text = WAIVED if instance.stands else NOT_WAIVED
    key = f"waiver:{instance.pk}:{'signed' if instance.stands else 'ended'}"
    tell(holding("steward"), text, url=reverse("dataset-detail", args=[instance.dataset_id]), key=key)


def on_step(*, request: SynthesisRequest, action: str, by: Any, **_: Any) -> None:
    settle(request, action)
    if action in TOLD:
        whom, text = TOLD[action]
        people = [request.requester] if whom == REQUESTER else stewards_for(request)
        key = f"request:{request.pk}:{request.version}"
        tell(people, text.format(request.reference), url=request.get_absolute_url(), key=key, by=by)


def settle(request: SynthesisRequest, action: str) -> None:
    """What stewards were asked is done: for whoever has voted, and for all of them once the request has moved on."""
    asked = about(f"request:{request.pk}").filter(read_at=None).exclude(user=request.requester_id)
    if action.startswith("vote_"):
        voted = request.votes.filter(gate=action.removeprefix("vote_"), round=request.round)
        asked = asked.filter(user__in=voted.values("voter"))
    elif action in STAYS:
        return
    asked.update(read_at=timezone.now())


def about(key: str) -> QuerySet[Notice]:
    """Every notice that tells of this, whoever got it."""
    return Notice.objects.filter(key__gte=f"{key}:", key__lt=f"{key};")


def stewards_for(request: SynthesisRequest) -> QuerySet[User]:
    """The stewards who may decide on it: neither whoever asked nor whoever owns the dataset."""
    return holding("steward").exclude(pk__in=[request.requester_id, request.dataset.owner_id])


def holding(*roles: str) -> QuerySet[User]:
    """Everyone with one of these roles."""
    held = Q(role_grants__role__in=roles, role_grants__ended_at=None)
    return User.objects.filter(held, is_active=True).distinct()


def tell(people: Iterable[User], text: str, *, url: str, key: str, by: Any = None) -> None:
    """Leave everyone but ``by`` a notice, once per ``key``, and have it mailed once the transaction is kept."""
    doer = getattr(by, "pk", None)
    made = [Notice(user=one, text=text, url=url, key=key) for one in people if one.pk != doer]
    Notice.objects.bulk_create(made, ignore_conflicts=True)
    webhooks.enqueue([one.user for one in made], key)
    if made and settings.NOTICES_BY_MAIL:
        transaction.on_commit(kick)


def kick() -> None:
    """Tell the mail worker. A message that is lost costs only time: the sweeper looks too."""
    try:
        current_app.send_task("llmsynthor_site.tasks.mail_notices", retry=False)
    except (OSError, OperationalError) as problem:
        log.warning("no message could be sent: %s", type(problem).__name__)


def of(user: Any) -> QuerySet[Notice]:
    return Notice.objects.filter(user=user).order_by("-pk")


def unread(user: Any) -> int:
    return of(user).filter(read_at=None).count()


def mark_read(user: Any) -> int:
    """Everything there is so far; how many it were."""
    return of(user).filter(read_at=None).update(read_at=timezone.now())


def deliver() -> int:
    """Mail what was not mailed yet, and return how much was. What it tells of is in the log first.

    A row is taken by counting its try, so two workers never send one notice at once; one that fails is tried again.
    """
    if not settings.NOTICES_BY_MAIL:
        return 0
    events.flush()
    found = Notice.objects.filter(mailed_at=None, read_at=None, tries__lt=TRIES).exclude(user__email="")
    return sum(mail(notice) for notice in found.select_related("user").order_by("pk")[:AT_ONCE])


def letter(notice: Notice) -> tuple[str, str]:
    """Subject and text, in the language of whoever it is for; the notice itself is kept in English."""
    with language_for(notice.user):
        told, why = said(notice.text), translation.gettext("You get this message because of your role there.")
    return f"LLMSynthor: {told}", f"{told}\n\n{settings.SITE_URL}{notice.url}\n\n{why}\n"


def mail(notice: Notice) -> bool:
    mine = Notice.objects.filter(pk=notice.pk, tries=notice.tries, mailed_at=None)
    if not mine.update(tries=F("tries") + 1):
        return False
    subject, text = letter(notice)
    try:
        send_mail(subject, text, None, [notice.user.email])
    except OSError as problem:  # smtplib's own errors are among them
        log.warning("a notice could not be mailed: %s", type(problem).__name__)
        return False
    Notice.objects.filter(pk=notice.pk).update(mailed_at=timezone.now())
    return True
