from django.urls import path

from synthesis.api import door, downloads, gates, requests, runs

urlpatterns = [
    path("price/", requests.Price.as_view(), name="api-price"),
    path("requests/", requests.RequestList.as_view(), name="api-requests"),
    path("requests/<uuid:pk>/", requests.RequestDetail.as_view(), name="api-request"),
    path("requests/<uuid:pk>/actions/", requests.RequestActions.as_view(), name="api-actions"),
    path("requests/<uuid:pk>/actions/<slug:action>/", requests.RequestStep.as_view(), name="api-step"),
    path("requests/<uuid:pk>/gates/<slug:gate>/", gates.GateDetail.as_view(), name="api-gate"),
    path("requests/<uuid:pk>/gates/<slug:gate>/votes/", gates.Ballot.as_view(), name="api-vote"),
    path("requests/<uuid:pk>/condition/", gates.ConditionStated.as_view(), name="api-condition"),
    path("requests/<uuid:pk>/rules/", gates.RuleList.as_view(), name="api-rules"),
    path("requests/<uuid:pk>/rules/<int:number>/", gates.RuleDecide.as_view(), name="api-rule"),
    path("requests/<uuid:pk>/run/", runs.RunDetail.as_view(), name="api-run"),
    path("requests/<uuid:pk>/prompts/", runs.PromptList.as_view(), name="api-prompts"),
    path("requests/<uuid:pk>/prompts/<slug:intent>/", runs.PromptDetail.as_view(), name="api-prompt"),
    path("requests/<uuid:pk>/package/", downloads.PackageDetail.as_view(), name="api-package"),
    path("requests/<uuid:pk>/licence/", downloads.LicenceAccept.as_view(), name="api-licence"),
    path("requests/<uuid:pk>/links/", downloads.LinkMake.as_view(), name="api-link"),
    path("files/<str:token>/", downloads.FileGet.as_view(), name="api-file"),
    path("receipts/", downloads.ReceiptList.as_view(), name="api-receipts"),
    path("endpoints/", door.EndpointList.as_view(), name="api-endpoints"),
    path("endpoints/<int:pk>/", door.EndpointDetail.as_view(), name="api-endpoint"),
    path("endpoints/<int:pk>/probe/", door.EndpointProbe.as_view(), name="api-endpoint-probe"),
    path("switches/", door.SwitchList.as_view(), name="api-switches"),
    path("switches/<int:pk>/lift/", door.SwitchLift.as_view(), name="api-switch-lift"),
    path("findings/", door.FindingList.as_view(), name="api-findings"),
    path("findings/<int:pk>/close/", door.FindingClose.as_view(), name="api-finding-close"),
]
