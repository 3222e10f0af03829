"""One's own API tokens: what there are, making one (shown this once), and ending one; and where notices are sent."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from llmsynthor_site import answers, tokens, webhooks
from llmsynthor_site.models import ApiToken, Delivery, Webhook
from llmsynthor_site.people.forms import add_refusal

PAGE, SHOWN = 25, 20


class TokenForm(forms.Form):
    name = forms.CharField(max_length=80, label="What is it for", help_text="For example: notebook on my laptop.")
    scopes = forms.MultipleChoiceField(
        choices=list(tokens.SCOPES.items()), widget=forms.CheckboxSelectMultiple, label="What it may do",
        help_text="Never more than your roles allow at that moment. No token votes, and none changes who may do what.",
    )  # fmt: skip
    days = forms.IntegerField(
        min_value=1, max_value=tokens.LONGEST.days, initial=90, label="Days until it expires",
        help_text=f"At most {tokens.LONGEST.days}.",
    )  # fmt: skip

    once = forms.RegexField(r"^[A-Za-z0-9_-]{10,100}$", widget=forms.HiddenInput)


class WebhookForm(forms.Form):
    url = forms.CharField(
        max_length=300, label="Address", help_text="https://, on a host that an administrator has listed."
    )


@require_safe
def token_list(http: HttpRequest) -> HttpResponse:
    found = ApiToken.objects.filter(user=http.user.pk).select_related("user")
    page = Paginator(found, PAGE).get_page(http.GET.get("page"))
    return render(http, "people/tokens.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
def token_new(http: HttpRequest) -> HttpResponse:
    """The page that answers a post holds the secret, so that nothing may keep it; sent twice, it makes one token."""
    form = TokenForm(http.POST or None, initial={"once": answers.fresh_key()})
    if http.method == "POST" and form.is_valid():
        try:
            token, secret = made_once(http, **form.cleaned_data)
            answer = render(http, "people/token_made.html", {"token": token, "secret": secret})
            answer["Cache-Control"] = "no-store"
            return answer
        except ValidationError as refusal:
            add_refusal(form, refusal)
    return render(http, "people/token_new.html", {"form": form})


@transaction.atomic
def made_once(http: HttpRequest, *, once: str, **wish: Any) -> tuple[ApiToken, str]:
    """A form that is refused may be sent again; one that was carried out may not."""
    made = tokens.make(by=http.user, **wish)
    answers.first_time(http.user, once)
    return made


@require_http_methods(["GET", "HEAD", "POST"])
def token_revoke(http: HttpRequest, number: int) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=number, user=http.user.pk)
    if http.method == "POST":
        tokens.revoke(by=http.user, token=token)
        messages.success(http, f"The token “{token.name}” opens nothing any more.")
        return redirect("tokens")
    return render(http, "people/token_revoke.html", {"token": token})


@require_http_methods(["GET", "HEAD", "POST"])
def webhook_list(http: HttpRequest) -> HttpResponse:
    form = WebhookForm(http.POST or None)
    if http.method == "POST" and form.is_valid():
        try:
            made = webhooks.add(by=http.user, **form.cleaned_data)
            answer = render(http, "people/webhook_made.html", {"webhook": made, "secret": webhooks.secret_of(made)})
            answer["Cache-Control"] = "no-store"
            return answer
        except ValidationError as refusal:
            add_refusal(form, refusal)
    mine = Delivery.objects.filter(webhook__user=http.user.pk).select_related("webhook", "notice")
    context = {
        "form": form, "possible": bool(settings.WEBHOOK_HOSTS), "sent": mine[:SHOWN],
        "standing": Webhook.objects.filter(user=http.user.pk, ended_at=None),
    }  # fmt: skip
    return render(http, "people/webhooks.html", context)


@require_POST
def webhook_end(http: HttpRequest, number: int) -> HttpResponse:
    webhooks.end(by=http.user, webhook=get_object_or_404(Webhook, pk=number, user=http.user.pk))
    messages.success(http, "Nothing is sent there any more.")
    return redirect("webhooks")
