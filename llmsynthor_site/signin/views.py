"""Going to a sign-in provider and coming back."""

from __future__ import annotations

import logging
from typing import Any

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from llmsynthor_site.signin.id_tokens import checked

log = logging.getLogger(__name__)


class Provider(OpenIDConnectOAuth2Adapter):
    """The library's client; it takes an ID token only when its signature holds and it tells of the same person."""

    def _decode_id_token(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
        try:
            keys = answer.json()["keys"]
            return checked(id_token, keys=keys, issuer=self.openid_config["issuer"], audience=app.client_id)
        except (ValueError, KeyError) as problem:
            raise OAuth2Error(str(problem)) from problem

    def complete_login(self, request: HttpRequest, app: SocialApp, token: Any, **kwargs: Any) -> SocialLogin:
        login: SocialLogin = super().complete_login(request, app, token, **kwargs)
        told = login.account.extra_data
        if "id_token" not in told or told["id_token"].get("sub") != told.get("userinfo", {}).get("sub"):
            raise OAuth2Error("the provider's answers tell of different people")
        return login


@login_not_required
@require_POST
def leave(http: HttpRequest, provider_id: str) -> HttpResponse:
    """A page that leads on to the provider. A redirect would be stopped: forms of this site post to this site alone."""
    answer = through(OAuth2LoginView, http, provider_id)
    address = answer.headers.get("Location", "")
    return render(http, "socialaccount/leaving.html", {"address": address}) if "://" in address else answer


@login_not_required
@require_http_methods(["GET"])
def come_back(http: HttpRequest, provider_id: str) -> HttpResponse:
    return through(OAuth2CallbackView, http, provider_id)


def through(view: Any, http: HttpRequest, provider_id: str) -> HttpResponse:
    try:
        answer: HttpResponse = view.adapter_view(Provider(http, provider_id))(http)
    except SocialApp.DoesNotExist:
        raise Http404("There is no such sign-in provider.") from None
    except OSError as problem:  # the library's own client raises no other where a provider is away
        log.warning("a sign-in provider could not be reached: %s", type(problem).__name__)
        return render(http, "socialaccount/authentication_error.html", status=503)
    return answer


@login_not_required
def no_sign_up(http: HttpRequest) -> HttpResponse:
    return redirect("account_login")
