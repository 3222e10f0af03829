from django.urls import path

from audit import views

urlpatterns = [
    path("log/", views.log_page, name="audit-log"),
    path("log/prompts/<slug:intent>/", views.prompt_page, name="audit-prompt"),
]
