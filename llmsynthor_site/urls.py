from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from llmsynthor_site import views

urlpatterns = [
    path("", views.home, name="home"),
    path("help/", views.help_page, name="help"),
    path("sign-in/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("sign-out/", LogoutView.as_view(), name="logout"),
    path("", include("privacy.urls")),
    path("", include("synthesis.urls")),
    path("", include("audit.urls")),
    path("desk/", include("llmsynthor_site.desk.urls")),
]
