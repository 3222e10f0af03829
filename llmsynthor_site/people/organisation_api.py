"""Organisations and their people: read in a token's reach, changed by an administrator who is signed in."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from llmsynthor_site import services
from llmsynthor_site.models import Membership, Organisation
from llmsynthor_site.people import changes, memberships
from llmsynthor_site.people.api import OfPeople, require
from llmsynthor_site.people.serializers import (
    MembershipSerializer,
    OrganisationSerializer,
    OrganisationWishSerializer,
    WhySerializer,
)


class OfOrganisations(GenericAPIView):
    queryset = Organisation.objects.none()
    serializer_class = OrganisationSerializer
    ordering = ("name", "pk")

    def get_queryset(self) -> QuerySet[Organisation]:
        require(self.request.user, services.MANAGE, changes.CONFIRM)
        return Organisation.objects.annotate(inside=Count("memberships", filter=Q(memberships__ended_at=None)))


class OrganisationList(OfOrganisations, ListAPIView):
    """Every organisation by name, and how many people are in it."""

    @extend_schema(request=OrganisationWishSerializer, responses={201: OrganisationSerializer})
    def post(self, request: Request) -> Response:
        """A new one that nobody is in yet: people are proposed for it one by one."""
        require(request.user, services.MANAGE)
        given = OrganisationWishSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        made = memberships.add_organisation(by=request.user, **given.validated_data)
        return Response(OrganisationSerializer(self.get_queryset().get(pk=made.pk)).data, status=201)


class OrganisationDetail(OfOrganisations, RetrieveAPIView):
    """One organisation."""


class OrganisationMembers(ListAPIView):
    """Who is in an organisation now."""

    queryset = Membership.objects.none()
    serializer_class = MembershipSerializer
    ordering = ("user__username",)

    def get_queryset(self) -> QuerySet[Membership]:
        require(self.request.user, services.MANAGE, changes.CONFIRM)
        found = get_object_or_404(Organisation, pk=self.kwargs["pk"])
        inside = Membership.objects.filter(organisation=found, ended_at=None)
        return inside.select_related("user", "organisation", "granted_by").order_by("user__username")


class Leave(OfPeople):
    """End a membership at once."""

    serializer_class: Any = WhySerializer

    @extend_schema(request=WhySerializer, responses=MembershipSerializer)
    def post(self, request: Request, pk: int, organisation: int) -> Response:
        require(request.user, services.MANAGE)
        person, given = self.get_object(), WhySerializer(data=request.data)
        place = get_object_or_404(Organisation, pk=organisation)
        if not memberships.of(person).filter(organisation=place).exists():
            raise Http404
        given.is_valid(raise_exception=True)
        ended = memberships.leave(by=request.user, user=person, organisation=place, **given.validated_data)
        return Response(MembershipSerializer(ended).data)
