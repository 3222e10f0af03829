"""How people sign in: passwords, second factors, single sign-on; read into settings.py."""

from __future__ import annotations

from typing import Any

import environ

from llmsynthor_site.environment import DEMO, PRODUCTION, env

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "llmsynthor_site.backends.RoleBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
PASSWORD_RESET_TIMEOUT = 24 * 3600  # seconds in which a new password is chosen after two people agreed to it
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXIES", default=0)

AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_USERNAME_CALLABLE = "llmsynthor_site.signin.callers.username"
AXES_CLIENT_IP_CALLABLE = "llmsynthor_site.signin.callers.address"
AXES_LOCKOUT_TEMPLATE = "account/locked_out.html"

ACCOUNT_ADAPTER = "llmsynthor_site.signin.adapters.Accounts"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]  # nobody signs up; two people give somebody access
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_UNIQUE_EMAIL = False  # an address identifies nobody here
ACCOUNT_SESSION_REMEMBER = True  # for SESSION_COOKIE_AGE
# Guesses of a password or of a code; axes locks an account out besides.
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip,10/900s/key", "reauthenticate": "10/m/user"}
ACCOUNT_LOGIN_TIMEOUT = 900  # seconds from the password to the second factor
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600

# Who needs a second factor. A demonstration asks nobody, and its banner says so.
DUTIES = ["owner", "steward", "auditor", "admin"]
SECOND_FACTOR_ROLES: list[str] = env.list("SECOND_FACTOR_ROLES", default=[] if DEMO else DUTIES)
MFA_ADAPTER = "llmsynthor_site.signin.adapters.SecondFactors"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_TOTP_ISSUER = "LLMSynthor"
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not PRODUCTION  # browsers themselves allow it on localhost alone

SOCIALACCOUNT_ADAPTER = "llmsynthor_site.signin.adapters.SingleSignOn"
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_REAUTHENTICATION_REQUIRED = True  # another way in is not added from a session somebody left open
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # whoever controls an address at the provider is not thereby somebody here
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10


def provider(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """One entry of OIDC_PROVIDERS as the library wants it; ImproperlyConfigured names what is missing."""
    try:
        app = {"provider_id": name, "name": given["name"], "client_id": given["client_id"]}
        address = given["server_url"]
    except KeyError as missing:
        raise environ.ImproperlyConfigured(f"OIDC_PROVIDERS: {name} lacks {missing}") from None
    app["secret"] = env(f"OIDC_SECRET_{name.upper()}", default="")
    claims = {"claim": given.get("groups_claim", "groups"), "roles": given.get("roles", {})}
    return app | {"settings": {"server_url": address, "oauth_pkce_enabled": True, "groups": claims}}


OIDC_PROVIDERS: dict[str, dict[str, Any]] = env.json("OIDC_PROVIDERS", default={})
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "APPS": [provider(name, given) for name, given in OIDC_PROVIDERS.items()],
        "OAUTH_PKCE_ENABLED": True,
    }
}
