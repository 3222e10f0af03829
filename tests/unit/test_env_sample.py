"""The sample of settings: every name that is read from the environment has its line there, or a reason not to."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READ = re.compile(r"""\benv(?:\.\w+)?\(\s*f?"([A-Z0-9_]+)""")
DATABASES = re.compile(r"""\bdatabase\("([A-Z_]+)""")
ELSEWHERE = {
    "DEBUG": "for whoever changes the code; no site is run with it",
    "DEMO": "set by `make demo` and the tests alone",
    "OIDC_SECRET_": "one for each provider, told in the line of OIDC_PROVIDERS",
}


def read() -> set[str]:
    """What the site's settings ask the environment for; a test of theirs would be no setting."""
    texts = [path.read_text() for path in sorted((ROOT / "llmsynthor_site").glob("*.py"))]
    return {name for text in texts for pattern in (READ, DATABASES) for name in pattern.findall(text)}


def told() -> set[str]:
    """Every name in capitals in the sample, as a line of its own or in another one's words."""
    return set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", (ROOT / ".env.sample").read_text()))


def test_every_setting_is_in_the_sample_or_has_a_reason() -> None:
    found = read()
    assert found >= {"SECRET_KEY", "DATABASE_URL", "API_RATE_ADMIN", "SITE_DIR", "PRODUCTION"}, "what is read is found"
    assert found - told() - set(ELSEWHERE) == set()


def test_the_sample_names_nothing_that_is_not_read() -> None:
    lines = re.findall(r"^# ([A-Z][A-Z0-9_]+)=", (ROOT / ".env.sample").read_text(), flags=re.MULTILINE)
    assert len(lines) == len(set(lines)) > 40
    assert set(lines) - read() == set()
