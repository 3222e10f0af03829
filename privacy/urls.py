from django.urls import path

from privacy.views import audiences, caps, datasets, drafts, histories, statistics, versions, waivers

urlpatterns = [
    path("datasets/", datasets.dataset_list, name="dataset-list"),
    path("datasets/new/", datasets.dataset_register, name="dataset-register"),
    path("datasets/drafts/", drafts.draft_new, name="draft-new"),
    path("datasets/drafts/<uuid:pk>/unit/", drafts.draft_step, {"step": "unit"}, name="draft-unit"),
    path("datasets/drafts/<uuid:pk>/columns/", drafts.draft_columns, name="draft-columns"),
    path("datasets/drafts/<uuid:pk>/columns/<int:place>/", drafts.draft_column, name="draft-column"),
    path("datasets/drafts/<uuid:pk>/people/", drafts.draft_step, {"step": "people"}, name="draft-people"),
    path("datasets/drafts/<uuid:pk>/check/", drafts.draft_check, name="draft-check"),
    path("datasets/drafts/<uuid:pk>/delete/", drafts.draft_discard, name="draft-discard"),
    path("datasets/<uuid:pk>/", datasets.dataset_detail, name="dataset-detail"),
    path("datasets/<uuid:pk>/history/", histories.history_page, name="dataset-history"),
    path("datasets/<uuid:pk>/upload/", datasets.dataset_upload, name="dataset-upload"),
    path("datasets/<uuid:pk>/look-again/", datasets.look_again, name="dataset-look-again"),
    path("datasets/<uuid:pk>/cap/", caps.propose_page, name="cap-propose"),
    path("datasets/<uuid:pk>/one-steward/", waivers.sign_page, name="waiver-sign"),
    path("datasets/<uuid:pk>/one-steward/end/", waivers.end_page, name="waiver-end"),
    path("datasets/<uuid:pk>/audience/", audiences.audience_page, name="dataset-audience"),
    path("datasets/<uuid:pk>/versions/<int:number>/last-day/", versions.last_day_page, name="version-last-day"),
    path("datasets/<uuid:pk>/versions/<int:number>/destroy/", versions.destroy_page, name="version-destroy"),
    path("caps/", caps.raise_list, name="cap-raises"),
    path("caps/<uuid:pk>/", caps.raise_page, name="cap-raise"),
    path("caps/<uuid:pk>/end/", caps.end_page, name="cap-end"),
    path("statistics/<int:entry>/", statistics.statistic_detail, name="statistic-detail"),
]
