"""What programs may ask, how often, and how the API's schema is told; read into settings.py."""

from __future__ import annotations

from llmsynthor_site.environment import env

METRICS_TOKEN = env("METRICS_TOKEN", default="")  # whoever reads /metrics shows it; without one there is no such page
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "llmsynthor_site.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["llmsynthor_site.api.permissions.Scoped"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["llmsynthor_site.api.throttles.PerRole"],
    "DEFAULT_PAGINATION_CLASS": "llmsynthor_site.api.paging.Cursor",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "llmsynthor_site.api.problems.handler",
}
# How often one person may ask the API, by role; whoever holds several roles has the widest.
API_RATES = {
    "nobody": env("API_RATE_NOBODY", default="60/min"),
    "researcher": env("API_RATE_RESEARCHER", default="300/min"),
    "owner": env("API_RATE_OWNER", default="300/min"),
    "steward": env("API_RATE_STEWARD", default="300/min"),
    "auditor": env("API_RATE_AUDITOR", default="600/min"),
    "admin": env("API_RATE_ADMIN", default="300/min"),
}
# Hosts to which people may have their own notices sent (docs/api.md); none: there are no webhooks.
WEBHOOK_HOSTS = env.list("WEBHOOK_HOSTS", default=[])
SPECTACULAR_SETTINGS = {
    "TITLE": "LLMSynthor",
    "DESCRIPTION": "Synthetic tables behind differential privacy: the portal's steps, for programs. See docs/api.md.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "RequestState": "synthesis.states.RequestState",
        "GateName": "synthesis.states.Gate",
        "VoteDecision": "synthesis.states.Decision",
        "RuleDecision": "synthesis.structure_models.SuggestedRule.Decision",
        "Proposer": "synthesis.states.Proposer",
        "DisclosureMode": "synthesis.states.Disclosure",
        "LedgerKind": "privacy.models.LedgerEntry.Kind",
        "PeopleChangeKind": "llmsynthor_site.models.PeopleChange.Kind",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "llmsynthor_site.api.schema.with_problems",
    ],
}
