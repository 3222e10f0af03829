from csp.decorators import csp_update
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from llmsynthor_site.api import machines, own
from llmsynthor_site.desk import api as desk
from llmsynthor_site.desk import api_reports as reports
from llmsynthor_site.evidence import api as evidence
from llmsynthor_site.people import api as people
from llmsynthor_site.people import organisation_api as organisations

# The reference page runs the site's own scripts and styles alone, as every page does; its icons are in its style sheet.
looks = csp_update({"img-src": ["data:"]})

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", looks(SpectacularSwaggerSplitView.as_view(url_name="api-schema")), name="api-docs"),
    path("me/", own.Me.as_view(), name="api-me"),
    path("notices/", own.NoticeList.as_view(), name="api-notices"),
    path("notices/read/", own.NoticesRead.as_view(), name="api-notices-read"),
    path("tokens/", own.TokenList.as_view(), name="api-tokens"),
    path("tokens/<int:pk>/revoke/", own.TokenRevoke.as_view(), name="api-token-revoke"),
    path("webhooks/", own.WebhookList.as_view(), name="api-webhooks"),
    path("webhooks/<int:pk>/end/", own.WebhookEnd.as_view(), name="api-webhook-end"),
    path("webhooks/deliveries/", own.DeliveryList.as_view(), name="api-deliveries"),
    path("people/", people.PeopleList.as_view(), name="api-people"),
    path("people/<int:pk>/", people.PersonDetail.as_view(), name="api-person"),
    path("people/<int:pk>/changes/", people.ChangePropose.as_view(), name="api-people-propose"),
    path("people/<int:pk>/roles/<slug:role>/take-away/", people.RoleTakeAway.as_view(), name="api-role-take-away"),
    path("people/<int:pk>/organisations/<int:organisation>/leave/", organisations.Leave.as_view(), name="api-leave"),
    path("organisations/", organisations.OrganisationList.as_view(), name="api-organisations"),
    path("organisations/<int:pk>/", organisations.OrganisationDetail.as_view(), name="api-organisation"),
    path("organisations/<int:pk>/members/", organisations.OrganisationMembers.as_view(), name="api-members"),
    path("machines/", machines.Machines.as_view(), name="api-machines"),
    path("people/changes/", people.ChangeList.as_view(), name="api-people-changes"),
    path("people/changes/<int:pk>/confirm/", people.ChangeConfirm.as_view(), name="api-change-confirm"),
    path("people/changes/<int:pk>/decline/", people.ChangeDecline.as_view(), name="api-change-decline"),
    path("ledger/", desk.Ledger.as_view(), name="api-ledger"),
    path("ledger/export/", desk.LedgerExport.as_view(), name="api-ledger-export"),
    path("ledger/populations/", desk.Populations.as_view(), name="api-populations"),
    path("downloads/", desk.Downloads.as_view(), name="api-downloads"),
    path("grants/", desk.Grants.as_view(), name="api-grants"),
    path("activity/", desk.Activity.as_view(), name="api-activity"),
    path("prompts/<slug:intent>/", desk.Prompt.as_view(), name="api-any-prompt"),
    path("exposure/", reports.Exposure.as_view(), name="api-exposure"),
    path("exposure/export/", reports.ExposureExport.as_view(), name="api-exposure-export"),
    path("duties/", reports.Duties.as_view(), name="api-duties"),
    path("duties/conflicts/", reports.Conflicts.as_view(), name="api-duties-conflicts"),
    path("duties/count/", reports.DutiesCount.as_view(), name="api-duties-count"),
    path("lineage/", reports.Lineage.as_view(), name="api-lineage"),
    path("lineage/templates/", reports.Templates.as_view(), name="api-templates"),
    path("requests/<uuid:pk>/evidence/", evidence.OfRequest.as_view(), name="api-request-evidence"),
    path("datasets/<uuid:pk>/evidence/", evidence.OfDataset.as_view(), name="api-dataset-evidence"),
    path("log/evidence/", evidence.OfPeriod.as_view(), name="api-period-evidence"),
    path("", include("privacy.api.urls")),
    path("", include("synthesis.api.urls")),
    path("", include("audit.api.urls")),
]
