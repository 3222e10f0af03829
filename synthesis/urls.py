from django.urls import path

from synthesis.views import door, downloads, endpoints, erasures, gates, requests, review_steps, runs

urlpatterns = [
    path("requests/", requests.request_list, name="request-list"),
    path("requests/new/", requests.request_new, name="request-new"),
    path("requests/price/", requests.request_price, name="request-price"),
    path("requests/of/<uuid:dataset>/", requests.requests_of_dataset, name="requests-of-dataset"),
    path("requests/<uuid:pk>/", requests.request_detail, name="request-detail"),
    path("requests/<uuid:pk>/edit/", requests.request_edit, name="request-edit"),
    path("requests/<uuid:pk>/step/<slug:action>/", requests.request_step, name="request-step"),
    path("requests/<uuid:pk>/condition/", review_steps.condition_page, name="request-condition"),
    path("requests/<uuid:pk>/gate/<slug:gate>/", gates.gate_page, name="request-gate"),
    path("requests/<uuid:pk>/gate/<slug:gate>/decide/", gates.gate_decide, name="request-decide"),
    path("requests/<uuid:pk>/run/", runs.run_page, name="request-run"),
    path("requests/<uuid:pk>/run/progress/", runs.run_progress, name="request-progress"),
    path("requests/<uuid:pk>/prompts/", runs.prompt_list, name="request-prompts"),
    path("requests/<uuid:pk>/prompts/<slug:intent>/", runs.prompt_page, name="request-prompt"),
    path("requests/<uuid:pk>/prompts/<slug:intent>/erase/", erasures.erase_page, name="request-erase"),
    path("requests/<uuid:pk>/download/", downloads.download_page, name="request-download"),
    path("requests/<uuid:pk>/download/<str:file_name>/", downloads.make_link, name="request-link"),
    path("downloads/<str:token>/", downloads.download_file, name="download-file"),
    path("endpoints/", endpoints.endpoint_list, name="endpoint-list"),
    path("endpoints/<int:number>/", endpoints.endpoint_page, name="endpoint"),
    path("endpoints/<int:number>/probe/", endpoints.endpoint_probe, name="endpoint-probe"),
    path("door/", door.door_page, name="door"),
    path("door/stop/", door.switch_set, name="switch-set"),
    path("door/switches/<slug:which>/", door.switch_list, name="switch-list"),
    path("door/findings/<slug:which>/", door.finding_list, name="finding-list"),
    path("door/switches/<int:number>/lift/", door.switch_lift, name="switch-lift"),
    path("door/findings/<int:number>/close/", door.finding_close, name="finding-close"),
]
