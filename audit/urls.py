from django.urls import path

from audit.views import checks, log, prompts

urlpatterns = [
    path("log/", log.log_page, name="audit-log"),
    path("log/export/", log.list_export, name="audit-list-export"),
    path("log/check/", checks.check_page, name="audit-check"),
    path("log/entries/<int:index>/", log.entry_page, name="audit-entry"),
    path("log/entries/<int:index>/bytes/", log.entry_bytes, name="audit-entry-bytes"),
    path("log/entries/<int:index>/proof/", log.entry_proof, name="audit-entry-proof"),
    path("log/prompts/<slug:intent>/", prompts.prompt_page, name="audit-prompt"),
]
