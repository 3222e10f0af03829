"""What one person proposes about another and a third one decides: a role, a new password or second factor.

Everything is checked twice, when it is proposed and when it is confirmed: roles may have changed in between.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from audit import events
from audit.actors import actor
from llmsynthor_site import notices, webhooks
from llmsynthor_site.models import Organisation, PeopleChange, User
from llmsynthor_site.people import memberships
from llmsynthor_site.services import MANAGE, check_grantable, grant_role

CONFIRM = "llmsynthor_site.confirm_people"
SUSPENDED = timedelta(hours=24)
Kind, Outcome = PeopleChange.Kind, PeopleChange.Outcome


@transaction.atomic
def propose(
    *, by: Any, user: User, kind: str, reason: str, role: str = "", organisation: Organisation | None = None
) -> PeopleChange:
    """Ask for a role (``kind`` grant), a new password (reset) or second factor (factor), or a membership (join) for
    somebody else; nothing changes yet."""
    if not by.has_perm(MANAGE):
        raise PermissionDenied("Only administrators propose changes of somebody's access.")
    if by.pk == user.pk:
        raise PermissionDenied("Nobody changes their own access: another administrator proposes it.")
    if not reason.strip():
        raise ValidationError({"reason": "Say why; whoever confirms it and every auditor will read it."})
    if kind == Kind.GRANT:
        check_grantable(user, role)
    if kind == Kind.JOIN:
        memberships.check_joinable(user, organisation)
    wished = {"kind": kind, "user": user, "role": role, "organisation": organisation, "reason": reason.strip()}
    made = entered(PeopleChange(**wished, proposed_by=by))
    facts = {"proposal": made.pk, "kind": str(kind), "user": user.username, "role": role, "reason": made.reason}
    facts |= {"organisation": organisation.pk} if organisation else {}
    events.record(action="site:people_change:proposed", by=actor(by), subject=f"user:{user.pk}", facts=facts)
    others = notices.holding("admin", "owner").exclude(pk=user.pk)
    notices.tell(
        others, "A change of somebody's access waits for a second person.",
        url=made.get_absolute_url(), key=f"change:{made.pk}:proposed", by=by,
    )  # fmt: skip
    return made


def entered(change: PeopleChange) -> PeopleChange:
    """The row, unless two administrators proposed the same at once."""
    try:
        with transaction.atomic():
            change.save()
    except IntegrityError:
        raise ValidationError("That is proposed already; a second person decides on it.") from None
    return change


def why_not_confirm(change: PeopleChange, user: Any) -> str:
    """In words why this person may not confirm this proposal; nothing where they may."""
    if change.outcome != Outcome.WAITING:
        return "It was decided meanwhile."
    if not user.has_perm(CONFIRM):
        return "Another administrator or a data owner confirms it."
    if change.proposed_by_id == user.pk:
        return "A second person confirms it, never whoever proposed it."
    if change.user_id == user.pk:
        return "Nobody confirms a change of their own access."
    return ""


@transaction.atomic
def confirm(*, by: Any, change: PeopleChange) -> str:
    """Carry it out; for a reset the address of the page where the person chooses a password, else nothing.

    PermissionDenied for whoever may not confirm it; ValidationError where it no longer holds.
    """
    change = (
        PeopleChange.objects.select_for_update(of=("self",))
        .select_related("user", "proposed_by", "organisation")
        .get(pk=change.pk)
    )
    if denial := why_not_confirm(change, by):
        raise PermissionDenied(denial)
    if not change.proposed_by.has_perm(MANAGE):
        raise ValidationError(f"{change.proposed_by} is no administrator any more; somebody else has to propose it.")
    decided(change, Outcome.CONFIRMED, by)
    if change.kind == Kind.GRANT:
        grant_role(by=by, user=change.user, role=change.role, proposed_by=change.proposed_by)
        return ""
    if change.kind == Kind.FACTOR:
        reset_factor(change, by)
        return ""
    if change.organisation is not None:
        memberships.join(by=by, user=change.user, organisation=change.organisation, proposed_by=change.proposed_by)
        return ""
    return reset(change, by)


def suspended(change: PeopleChange) -> User:
    """The person, every session ended, who decides nothing from now on for a while."""
    user = User.objects.select_for_update().get(pk=change.user_id)
    user.suspended_until = timezone.now() + SUSPENDED
    user.save(update_fields=["suspended_until"])
    user.end_sessions()
    return user


def cut_off(user: User, by: User, *, even_the_last: bool = False) -> dict[str, int]:
    """End what another may have set up as this person: accounts of theirs to sign in with, places notices go to.

    Whoever has no password keeps the accounts, the only way in, unless a new password is on its way.
    """
    taken = even_the_last or user.has_usable_password()
    unlinked = SocialAccount.objects.filter(user=user).delete()[0] if taken else 0
    return {"unlinked": unlinked, "webhooks_ended": webhooks.end_all(user=user, by=by)}


def facts_of_reset(change: PeopleChange, by: User, user: User) -> dict[str, Any]:
    until = user.suspended_until
    return {
        "user": user.username, "proposal": change.pk, "proposed_by": actor(change.proposed_by),
        "confirmed_by": actor(by), "suspended_until": until.isoformat(timespec="seconds") if until else "",
    }  # fmt: skip


def reset_factor(change: PeopleChange, by: User) -> None:
    """Forget the second factor and its recovery codes; whoever signs in next with the password sets up another."""
    user = suspended(change)
    Authenticator.objects.filter(user=user).delete()
    facts = facts_of_reset(change, by, user) | cut_off(user, by)
    events.record(action="site:second_factor:reset", by=actor(by), subject=f"user:{user.pk}", facts=facts)
    text = "Two people reset your second factor. If you did not ask for it, tell an auditor."
    notices.tell([user], text, url=reverse("home"), key=f"reset:{change.pk}")


def reset(change: PeopleChange, by: User) -> str:
    """End the old password and every session, suspend what the person decides, and make an address for one use."""
    user = suspended(change)
    facts = facts_of_reset(change, by, user) | cut_off(user, by, even_the_last=True)
    user.set_unusable_password()
    user.save(update_fields=["password"])
    events.record(action="site:password:reset", by=actor(by), subject=f"user:{user.pk}", facts=facts)
    text = "Two people reset your password. If you did not ask for it, tell an auditor."
    notices.tell([user], text, url=reverse("home"), key=f"reset:{change.pk}")
    number = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("new-password", args=[number, default_token_generator.make_token(user)])


@transaction.atomic
def decline(*, by: Any, change: PeopleChange) -> PeopleChange:
    """Refuse a proposal, or take one's own back."""
    change = PeopleChange.objects.select_for_update().get(pk=change.pk)
    if change.outcome != Outcome.WAITING:
        raise ValidationError("It was decided meanwhile.")
    if not (by.has_perm(CONFIRM) or change.proposed_by_id == by.pk):
        raise PermissionDenied("Another administrator or a data owner decides on it.")
    decided(change, Outcome.DECLINED, by)
    facts = {"proposal": change.pk, "user": change.user.username}
    events.record(action="site:people_change:declined", by=actor(by), subject=f"user:{change.user_id}", facts=facts)
    return change


def decided(change: PeopleChange, outcome: str, by: User) -> None:
    change.outcome, change.decided_by, change.decided_at = outcome, by, timezone.now()
    change.save(update_fields=["outcome", "decided_by", "decided_at"])
    notices.about(f"change:{change.pk}").filter(read_at=None).update(read_at=change.decided_at)


def waiting_for(user: Any) -> QuerySet[PeopleChange]:
    """Proposals this person may confirm now."""
    found = PeopleChange.objects.filter(outcome=Outcome.WAITING).select_related("user", "proposed_by", "organisation")
    return found.exclude(Q(proposed_by=user) | Q(user=user)) if user.has_perm(CONFIRM) else found.none()


def waiting_for_others(user: Any) -> QuerySet[PeopleChange]:
    """This person's own proposals that nobody has decided on yet."""
    found = PeopleChange.objects.filter(outcome=Outcome.WAITING, proposed_by=user)
    return found.select_related("user", "proposed_by", "organisation")
