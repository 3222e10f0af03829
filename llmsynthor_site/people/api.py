"""Accounts and roles for administrators' own programs. Reading is in a token's reach; no token changes access."""

from __future__ import annotations

import django_filters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from llmsynthor_site import services
from llmsynthor_site.models import PeopleChange, User
from llmsynthor_site.people import changes
from llmsynthor_site.people.serializers import (
    NAMES,
    ChangeSerializer,
    ChangeWishSerializer,
    ConfirmedSerializer,
    InviteSerializer,
    PersonSerializer,
    WhySerializer,
)


def require(user: object, *permissions: str) -> None:
    if not any(user.has_perm(permission) for permission in permissions):  # type: ignore[attr-defined]
        raise PermissionDenied("People and roles are for administrators, and for data owners who confirm.")


class Named(django_filters.FilterSet):
    name = django_filters.CharFilter("username", lookup_expr="istartswith", label="User name begins with")


class OfPeople(GenericAPIView):
    queryset = User.objects.none()
    serializer_class = PersonSerializer
    ordering = ("username",)

    def get_queryset(self) -> QuerySet[User]:
        require(self.request.user, services.MANAGE, changes.CONFIRM)
        return User.objects.order_by("username")


class PeopleList(OfPeople, ListAPIView):
    """Everybody with an account."""

    filterset_class = Named

    @extend_schema(request=InviteSerializer, responses={201: PersonSerializer})
    def post(self, request: Request) -> Response:
        """An account that can do nothing yet: two people give it a role and a password."""
        require(request.user, services.MANAGE)
        given = InviteSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return Response(PersonSerializer(services.invite(by=request.user, **given.validated_data)).data, status=201)


class PersonDetail(OfPeople, RetrieveAPIView):
    """One person and their roles."""


class ChangePropose(OfPeople):
    """Ask for a role, or a new password, of somebody else; a second person decides."""

    @extend_schema(request=ChangeWishSerializer, responses={201: ChangeSerializer})
    def post(self, request: Request, pk: int) -> Response:
        require(request.user, services.MANAGE)
        person, given = self.get_object(), ChangeWishSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        made = changes.propose(by=request.user, user=person, **given.validated_data)
        return Response(ChangeSerializer(made).data, status=201)


class RoleTakeAway(OfPeople):
    """End a role at once."""

    @extend_schema(
        request=WhySerializer,
        responses=PersonSerializer,
        parameters=[OpenApiParameter("role", str, OpenApiParameter.PATH, enum=[name for name, _ in NAMES])],
    )
    def post(self, request: Request, pk: int, role: str) -> Response:
        require(request.user, services.MANAGE)
        person, given = self.get_object(), WhySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.take_away_role(by=request.user, user=person, role=role, **given.validated_data)
        return Response(PersonSerializer(person).data)


class OfChanges(GenericAPIView):
    queryset = PeopleChange.objects.none()
    serializer_class = ChangeSerializer

    def get_queryset(self) -> QuerySet[PeopleChange]:
        require(self.request.user, services.MANAGE, changes.CONFIRM)
        return PeopleChange.objects.select_related("user", "proposed_by", "decided_by")


class ChangeList(OfChanges, ListAPIView):
    """What was proposed about people's access, newest first."""

    filterset_fields = ("kind", "outcome")


class ChangeConfirm(OfChanges):
    """Carry a proposal out, as a second person."""

    @extend_schema(request=None, responses=ConfirmedSerializer)
    def post(self, request: Request, pk: int) -> Response:
        change = get_object_or_404(self.get_queryset(), pk=pk)
        address = changes.confirm(by=request.user, change=change)
        change = self.get_queryset().get(pk=pk)
        change.address = request.build_absolute_uri(address) if address else ""  # type: ignore[attr-defined]
        return Response(ConfirmedSerializer(change).data, headers={"Cache-Control": "no-store"})


class ChangeDecline(OfChanges):
    """Refuse a proposal, or take one's own back."""

    @extend_schema(request=None, responses=ChangeSerializer)
    def post(self, request: Request, pk: int) -> Response:
        change = get_object_or_404(self.get_queryset(), pk=pk)
        changes.decline(by=request.user, change=change)
        return Response(ChangeSerializer(self.get_queryset().get(pk=pk)).data)
