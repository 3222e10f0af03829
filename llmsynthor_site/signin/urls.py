"""The parts of the library's pages that this site has: nobody signs up, and no password is reset by mail."""

from allauth.account import views as account
from allauth.socialaccount import views as linked
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from llmsynthor_site.signin import views

urlpatterns = [
    path("sign-in/", account.login, name="account_login"),
    path("sign-in/closed/", account.account_inactive, name="account_inactive"),
    path("sign-in/again/", account.reauthenticate, name="account_reauthenticate"),
    path("sign-in/not-here/", views.no_sign_up, name="account_signup"),
    path("sign-in/through/<slug:provider_id>/", views.leave, name="openid_connect_login"),
    path("sign-in/through/<slug:provider_id>/back/", views.come_back, name="openid_connect_callback"),
    path("sign-in/stopped/", linked.login_cancelled, name="socialaccount_login_cancelled"),
    path("sign-out/", LogoutView.as_view(), name="logout"),
    path("settings/providers/", linked.connections, name="socialaccount_connections"),
    path("settings/second-factor/", include("allauth.mfa.urls")),
]
