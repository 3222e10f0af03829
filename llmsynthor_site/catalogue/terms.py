"""English texts that stand in tables, forms and models: they are shown by way of the filter ``said``.

The rooms below the pages do not mark their texts: they never translate. So they are read off the tables themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.forms import BaseForm, ModelChoiceField
from django.forms.utils import pretty_name
from django.urls import get_resolver

from llmsynthor_site import health, notices, reminders
from llmsynthor_site.catalogue.sentences import of_sentences
from llmsynthor_site.roles import ROLES
from llmsynthor_site.templatetags import site_tags

ROOMS = ("llmsynthor_site.", "privacy.", "synthesis.", "audit.")
WITHOUT_MARKS = (
    "Audit log", "Door", "{0} entries anchored, {1} waiting to be written", "holds {0} entries",
    "was handed nothing yet", "listens", "its socket is there, and nobody listens", "late", "on time",
    "its socket is not there, or not seen from this process", "never ended a round",
)  # fmt: skip
"""Words about the machines, which their tables put together."""
LANGUAGE_NAMES = frozenset(name for _, name in settings.LANGUAGES)
"""Every language is named in itself."""


def terms() -> set[str]:
    """Every text of the tables, the forms and the models' choices."""
    _ = get_resolver().url_patterns  # reading them loads every page's module, and with it every form
    found = {str(text) for source in (tables(), of_forms(), of_models(), of_sentences()) for text in source}
    return {text for text in found if any(mark.isalpha() for mark in text)} - LANGUAGE_NAMES


def tables() -> Iterator[str]:
    yield from (row[0] for row in site_tags.NAVIGATION)
    yield from (row[0] for row in site_tags.DESK)
    yield from site_tags.FIGURES.values()
    yield from site_tags.BUDGET.values()
    yield from ("one person", "this request")  # what odds are about where nothing else is named
    yield from (text for _, text in notices.TOLD.values())
    yield from (notices.WAIVED, notices.NOT_WAIVED, reminders.WAITS, reminders.RECALLED)
    yield from (*WITHOUT_MARKS, *health.ROUNDS.values())
    for role in ROLES:
        yield from (role.display_name, role.display_name.lower(), role.description, role.never)


def of_models() -> Iterator[str]:
    """Labels of choices, which pages show by ``get_..._display``."""
    for model in apps.get_models():
        if model.__module__.startswith(ROOMS):
            for field in model._meta.get_fields():
                yield from labels(getattr(field, "choices", None) or ())


def of_forms() -> Iterator[str]:
    for form in our_forms(BaseForm):
        for name, field in {**getattr(form, "declared_fields", {}), **getattr(form, "base_fields", {})}.items():
            yield from (str(field.label or pretty_name(name)), str(field.help_text))
            if not isinstance(field, ModelChoiceField):
                yield from labels(getattr(field, "choices", ()))
            elif field.empty_label:
                yield str(field.empty_label)


def our_forms(base: type[Any]) -> Iterator[type[Any]]:
    for one in base.__subclasses__():
        if one.__module__.startswith(ROOMS):
            yield one
        yield from our_forms(one)


def labels(choices: Iterable[Any]) -> Iterator[str]:
    """The labels of Django's choices, groups of choices included."""
    for value, label in choices:
        if isinstance(label, (list, tuple)):
            yield str(value)
            yield from labels(label)
        else:
            yield str(label)
