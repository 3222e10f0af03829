from django.urls import include, path

from llmsynthor_site import views
from llmsynthor_site.evidence import views as evidence
from llmsynthor_site.health_views import health_page
from llmsynthor_site.people.views import NewPassword

urlpatterns = [
    path("", views.home, name="home"),
    path("notices/", views.notice_list, name="notices"),
    path("settings/", include("llmsynthor_site.people.own_urls")),
    path("machines/", health_page, name="health"),
    path("help/", views.help_page, name="help"),
    path("", include("llmsynthor_site.signin.urls")),
    path("new-password/<uidb64>/<token>/", NewPassword.as_view(), name="new-password"),
    path("people/", include("llmsynthor_site.people.urls")),
    path("requests/<uuid:pk>/evidence/", evidence.of_request, name="request-evidence"),
    path("datasets/<uuid:pk>/evidence/", evidence.of_dataset, name="dataset-evidence"),
    path("log/evidence/", evidence.of_period, name="period-evidence"),
    path("", include("privacy.urls")),
    path("", include("synthesis.urls")),
    path("", include("audit.urls")),
    path("desk/", include("llmsynthor_site.desk.urls")),
    path("api/v1/", include("llmsynthor_site.api.urls")),
]

handler500 = "llmsynthor_site.troubles.broken"
