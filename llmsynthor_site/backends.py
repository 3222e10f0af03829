"""Sign-in with a password, and permissions from roles alone.

Superuser status, groups and per-user permissions of Django are deliberately ignored: whoever holds them
still may do no more than their roles say.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend

from llmsynthor_site.roles import DECIDING, permissions_of, roles_of


class RoleBackend(ModelBackend):
    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if not user_obj.is_active or user_obj.is_anonymous:
            return set()
        if not hasattr(user_obj, "_role_permissions"):
            user_obj.roles_now = roles_of(user_obj)
            allowed = permissions_of(user_obj.roles_now)
            user_obj._role_permissions = allowed - DECIDING if user_obj.is_suspended else allowed
        return set(user_obj._role_permissions)

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return perm in self.get_all_permissions(user_obj, obj)
