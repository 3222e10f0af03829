"""Rules that a language model suggested: read, shown, and decided on by a steward one by one.

A suggestion that can be no rule of the table is dropped and counted. The others wait from the end of measuring until
the first vote at gate B; what nobody accepted by then binds nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from privacy import rule_suggestions, selectors
from privacy.problems import SchemaError
from synthesis import envelope, ruling
from synthesis.hashing import hash_of
from synthesis.llm.structures import Suggested
from synthesis.models import EgressManifest, SuggestedRule, SynthesisRequest, Vote
from synthesis.prompts import column_code
from synthesis.selectors import visible_to
from synthesis.states import Gate
from synthesis.states import RequestState as S
from synthesis.transitions import NotNow, check, move
from synthesis.workflow import REVIEW

Decision = SuggestedRule.Decision
DECIDE = "decide_rule"


def understood(request: SynthesisRequest, told: Sequence[Suggested]) -> tuple[list[rule_suggestions.Fit], list[str]]:
    """Those that could be rules of this table, and why others could not, each reason with how often."""
    columns = selectors.domain(request.dataset).columns
    codes = {column_code(place): column for place, column in enumerate(columns)}
    public = {each.name: each.name for each in selectors.dictionary(request.dataset, public_only=True)}
    found, problems = rule_suggestions.fitting(
        request.dataset, [(one.text, one.reason) for one in told], public | codes
    )
    return found, [f"a rule: {problem} ({times})" for problem, times in Counter(problems).most_common()]


def keep(request: SynthesisRequest, found: Sequence[rule_suggestions.Fit]) -> str:
    """Have them wait for a steward; the hash of all of them for the log."""
    SuggestedRule.objects.bulk_create(
        SuggestedRule(
            request=request, number=number, rule=fit.rule, reason=fit.reason, columns=list(fit.columns),
            requester=request.requester,
        )
        for number, fit in enumerate(found, start=1)
    )  # fmt: skip
    return hash_of([[fit.rule, fit.reason] for fit in found])


@transaction.atomic
def decide(*, by: Any, request: SynthesisRequest, number: int, decision: Decision, comment: str) -> SuggestedRule:
    """Accept or reject one rule, for good. What may leave is drawn up anew with it, so gate B sees what was accepted.

    ValidationError without a comment, and for a rule that cannot stand beside those accepted before; NotNow where it
    was decided on meanwhile.
    """
    request = SynthesisRequest.objects.select_for_update().get(pk=request.pk)
    check(request, DECIDE, by)
    rule = request.suggested_rules.get(number=number)
    if not comment.strip():
        raise ValidationError({"comment": "Say why; it is kept with your decision."})
    if decision == Decision.ACCEPT:
        stands_beside(request, rule)
    facts = {"rule": number, "rule_sha256": hash_of([rule.rule, rule.reason]), "decision": str(decision),
             "comment_sha256": hash_of(comment.strip())}  # fmt: skip
    move(request, DECIDE, by=by, facts=facts)  # first: its guard asks whether a rule is undecided
    made = {"decision": decision, "comment": comment.strip(), "decided_by": by, "decided_at": timezone.now()}
    if not SuggestedRule.objects.filter(pk=rule.pk, decision="").update(**made):
        raise NotNow("Somebody decided on this rule meanwhile.")
    draw_up_again(request)
    rule.refresh_from_db()
    return rule


def stands_beside(request: SynthesisRequest, rule: SuggestedRule) -> None:
    together = [*ruling.accepted(request), {"rule": rule.rule, "reason": rule.reason}]
    try:
        rule_suggestions.rules(request.dataset, together)
    except SchemaError:
        raise ValidationError("No record could keep it together with the rules there are already.") from None


def draw_up_again(request: SynthesisRequest) -> None:
    """The manifest with the rules accepted by now. Nobody has voted on the one before, or this step is refused."""
    body = envelope.describe(request)
    EgressManifest.objects.filter(request=request).update(body=body, content_hash=hash_of(body))


def undecided(request: SynthesisRequest) -> QuerySet[SuggestedRule]:
    return request.suggested_rules.filter(decision="")


def waiting_for(user: Any) -> QuerySet[SynthesisRequest]:
    """Requests with rules that this person could decide on now (the rule of policies.may_decide_rules, as a query)."""
    if not user.has_perm(REVIEW):
        return SynthesisRequest.objects.none()
    open_rules = SuggestedRule.objects.filter(request=OuterRef("pk"), decision="")
    votes = Vote.objects.filter(request=OuterRef("pk"), round=OuterRef("round"), gate=Gate.EGRESS)
    found = visible_to(user).filter(Exists(open_rules), ~Exists(votes), state=S.MEASURED)
    return found.exclude(requester=user).exclude(dataset__owner=user)
