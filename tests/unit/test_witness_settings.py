"""What WITNESSES may say; everything else is refused at the start, naming the witness and the rule."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks

from audit import witnesses
from audit.cosignatures import WitnessKey
from audit.errors import AuditError
from audit.notes import PrivateKey

KEY = str(WitnessKey.of(PrivateKey.make("w")))
REFUSED = {
    "no object": ([], "a JSON object"),
    "a name with a slash": ({"a/b": {"folder": "x"}}, "lower-case letters"),
    "two ways": ({"a": {"folder": "x", "mail": "y"}}, "reached by one of"),
    "no way": ({"a": {}}, "reached by one of"),
    "no key": ({"a": {"url": "http://x"}}, "has key, url"),
    "a log's key": ({"a": {"url": "http://x", "key": str(PrivateKey.make("w").public)}}, "does not match its own id"),
    "another protocol": ({"a": {"url": "file:///etc", "key": KEY}}, "begins with http"),
    "something more": ({"a": {"folder": "x", "colour": "red"}}, "may have every"),
    "a fraction": ({"a": {"folder": "x", "every": 0.5}}, "may have every"),
    "no certificate": ({"a": {"timestamp": "http://x", "ca": "/nowhere"}}, "its ca is no file"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_settings_that_say_nothing_clear_are_refused_at_the_start(settings, what):
    settings.WITNESSES, rule = REFUSED[what]
    with pytest.raises(AuditError, match=rule):
        witnesses.configured()
    assert [found.id for found in run_checks() if rule in found.msg] == ["llmsynthor_site.E003"]


def test_more_cosignatures_than_cosigners_and_mail_without_a_host_are_refused_at_the_start(settings):
    settings.WITNESSES = {"auditor": {"mail": "anna@example.org"}}
    settings.WITNESSES_REQUIRED, settings.EMAIL_HOST = 1, ""
    assert [found.id for found in run_checks()].count("llmsynthor_site.E003") == 2
    settings.WITNESSES_REQUIRED, settings.EMAIL_HOST = 0, "mail.example.org"
    assert run_checks() == []
