"""People and roles in the database: permissions come from roles alone, conflicts are refused."""

from __future__ import annotations

import io

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from audit.models import Outbox
from llmsynthor_site import services
from llmsynthor_site.models import User

pytestmark = pytest.mark.django_db(databases=["default", "log"])
PASSWORD = "correct-horse-battery"


def person(name: str, *roles: str) -> User:
    return services.add_person(by=None, username=name, password=PASSWORD, roles=list(roles))


def test_permissions_follow_from_roles() -> None:
    steward = person("stella", "steward")
    assert steward.has_perm("synthesis.review_request")
    assert not steward.has_perm("synthesis.make_request")


def test_a_superuser_may_do_no_more_than_their_roles() -> None:
    root = User.objects.create(username="root", is_superuser=True, is_staff=True)
    assert not root.has_perm("synthesis.review_request")
    assert not root.has_perm("privacy.view_dataset")


def test_an_inactive_person_may_do_nothing() -> None:
    steward = person("stella", "steward")
    steward.is_active = False
    assert not steward.has_perm("synthesis.review_request")


def test_a_conflicting_role_is_refused_and_nothing_changes() -> None:
    steward = person("stella", "steward")
    with pytest.raises(ValidationError, match="researcher and steward"):
        services.grant_role(by=None, user=steward, role="researcher")
    assert list(steward.role_grants.values_list("role", flat=True)) == ["steward"]


def test_granting_leaves_an_event() -> None:
    person("stella", "steward")
    actions = list(Outbox.objects.values_list("action", flat=True))
    assert actions == ["site:person:added", "site:role:granted"]


@pytest.mark.parametrize("password", ["short", "password1234", "stella-stella"])
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        services.add_person(by=None, username="stella-stella", password=password, roles=["steward"])
    assert not User.objects.exists()


def test_the_console_command_adds_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
    call_command("add_person", "ada", "--role=admin")
    assert User.objects.get(username="ada").check_password(PASSWORD)


def test_the_console_command_refuses_conflicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
    with pytest.raises(CommandError, match="may not be"):
        call_command("add_person", "ada", "--role=admin", "--role=auditor")
    assert not User.objects.exists()
