from django.urls import path

from llmsynthor_site.people import organisation_views, views

urlpatterns = [
    path("", views.people_list, name="people"),
    path("new/", views.person_new, name="person-new"),
    path("<int:number>/", views.person_page, name="person"),
    path("<int:number>/propose/<slug:kind>/", views.propose_page, name="person-propose"),
    path("<int:number>/roles/<slug:role>/take-away/", views.take_away_page, name="person-take-away"),
    path("<int:number>/organisations/<int:organisation>/leave/", organisation_views.leave_page, name="person-leave"),
    path("organisations/", organisation_views.organisation_list, name="organisations"),
    path("organisations/new/", organisation_views.organisation_new, name="organisation-new"),
    path("organisations/<int:number>/", organisation_views.organisation_page, name="organisation"),
    path("changes/<int:number>/", views.change_page, name="people-change"),
]
