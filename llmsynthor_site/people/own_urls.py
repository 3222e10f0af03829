from django.urls import path

from llmsynthor_site.people import token_pages
from llmsynthor_site.people.preferences import preferences

urlpatterns = [
    path("", preferences, name="preferences"),
    path("tokens/", token_pages.token_list, name="tokens"),
    path("tokens/new/", token_pages.token_new, name="token-new"),
    path("tokens/<int:number>/revoke/", token_pages.token_revoke, name="token-revoke"),
    path("webhooks/", token_pages.webhook_list, name="webhooks"),
    path("webhooks/<int:number>/end/", token_pages.webhook_end, name="webhook-end"),
]
