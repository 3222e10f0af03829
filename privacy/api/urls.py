from django.urls import path

from privacy.api import audiences, caps, datasets, drafts, versions

VERSION = "datasets/<uuid:pk>/versions/<int:number>/"

urlpatterns = [
    path("datasets/", datasets.DatasetList.as_view(), name="api-datasets"),
    path("datasets/<uuid:pk>/", datasets.DatasetDetail.as_view(), name="api-dataset"),
    path("datasets/<uuid:pk>/upload/", datasets.DatasetUpload.as_view(), name="api-dataset-upload"),
    path("datasets/<uuid:pk>/ledger/", datasets.DatasetLedger.as_view(), name="api-dataset-ledger"),
    path("datasets/<uuid:pk>/waiver/", datasets.DatasetWaiver.as_view(), name="api-dataset-waiver"),
    path("datasets/<uuid:pk>/waiver/end/", datasets.DatasetWaiverEnd.as_view(), name="api-dataset-waiver-end"),
    path("datasets/<uuid:pk>/waivers/", audiences.WaiverList.as_view(), name="api-dataset-waivers"),
    path("datasets/<uuid:pk>/audience/", audiences.Audience.as_view(), name="api-dataset-audience"),
    path("datasets/<uuid:pk>/history/", audiences.History.as_view(), name="api-dataset-history"),
    path("datasets/<uuid:pk>/look/", audiences.Look.as_view(), name="api-dataset-look"),
    path("drafts/", drafts.DraftList.as_view(), name="api-drafts"),
    path("drafts/<uuid:pk>/", drafts.DraftDetail.as_view(), name="api-draft"),
    path(f"{VERSION}last-day/", versions.VersionLastDay.as_view(), name="api-version-last-day"),
    path(f"{VERSION}destroy/", versions.VersionDestroy.as_view(), name="api-version-destroy"),
    path("datasets/<uuid:pk>/cap/", caps.CapPropose.as_view(), name="api-cap-propose"),
    path("caps/", caps.RaiseList.as_view(), name="api-caps"),
    path("caps/<uuid:pk>/", caps.RaiseDetail.as_view(), name="api-cap"),
    path("caps/<uuid:pk>/confirm/", caps.RaiseConfirm.as_view(), name="api-cap-confirm"),
    path("caps/<uuid:pk>/decline/", caps.RaiseDecline.as_view(), name="api-cap-decline"),
    path("caps/<uuid:pk>/withdraw/", caps.RaiseWithdraw.as_view(), name="api-cap-withdraw"),
    path("statistics/<int:entry>/", caps.Statistic.as_view(), name="api-statistic"),
]
