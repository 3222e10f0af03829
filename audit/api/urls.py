from django.urls import path

from audit.api import log

urlpatterns = [
    path("log/", log.EntryList.as_view(), name="api-log"),
    path("log/export/", log.ListExport.as_view(), name="api-log-export"),
    path("log/checks/", log.CheckList.as_view(), name="api-log-checks"),
    path("log/checks/<int:pk>/", log.CheckDetail.as_view(), name="api-log-check"),
    path("log/standing/", log.Standing.as_view(), name="api-log-standing"),
    path("log/<int:index>/", log.EntryDetail.as_view(), name="api-log-entry"),
    path("log/<int:index>/proof/", log.EntryProof.as_view(), name="api-log-proof"),
]
