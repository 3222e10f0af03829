from django.urls import path

from llmsynthor_site.desk import exposure_views, views

urlpatterns = [
    path("", views.overview, name="desk"),
    path("exposure/", exposure_views.exposure_page, name="desk-exposure"),
    path("exposure/statement/", exposure_views.statement_part, name="desk-statement"),
    path("exposure/export/", exposure_views.exposure_export, name="desk-exposure-export"),
    path("ledger/", views.ledger_page, name="desk-ledger"),
    path("ledger/export/", views.ledger_export, name="desk-ledger-export"),
    path("duties/", views.duties_page, name="desk-duties"),
    path("duties/count/", views.duties_count, name="desk-duties-count"),
    path("access/", views.downloads_page, name="desk-access"),
    path("access/grants/", views.grants_page, name="desk-grants"),
    path("access/people/", views.people_page, name="desk-people"),
    path("lineage/", views.lineage_page, name="desk-lineage"),
    path("runs/<uuid:run>/", views.run_of, name="desk-run"),
]
