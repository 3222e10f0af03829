from django.urls import path

from privacy.api import caps, datasets

urlpatterns = [
    path("datasets/", datasets.DatasetList.as_view(), name="api-datasets"),
    path("datasets/<uuid:pk>/", datasets.DatasetDetail.as_view(), name="api-dataset"),
    path("datasets/<uuid:pk>/upload/", datasets.DatasetUpload.as_view(), name="api-dataset-upload"),
    path("datasets/<uuid:pk>/ledger/", datasets.DatasetLedger.as_view(), name="api-dataset-ledger"),
    path("datasets/<uuid:pk>/waiver/", datasets.DatasetWaiver.as_view(), name="api-dataset-waiver"),
    path("datasets/<uuid:pk>/waiver/end/", datasets.DatasetWaiverEnd.as_view(), name="api-dataset-waiver-end"),
    path("datasets/<uuid:pk>/cap/", caps.CapPropose.as_view(), name="api-cap-propose"),
    path("caps/", caps.RaiseList.as_view(), name="api-caps"),
    path("caps/<uuid:pk>/", caps.RaiseDetail.as_view(), name="api-cap"),
    path("caps/<uuid:pk>/confirm/", caps.RaiseConfirm.as_view(), name="api-cap-confirm"),
    path("statistics/<int:entry>/", caps.Statistic.as_view(), name="api-statistic"),
]
