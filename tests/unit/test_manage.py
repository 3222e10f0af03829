"""The command line says what the log refuses, and does not show it as a crash."""

from __future__ import annotations

import pytest
from django.core import management

import manage
from audit.errors import LogUnavailable


def refuse(arguments: list[str]) -> None:
    raise LogUnavailable("an older state was restored")


def test_what_the_log_refuses_is_one_line_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(management, "execute_from_command_line", refuse)
    with pytest.raises(SystemExit, match=r"^CommandError: an older state was restored$"):
        manage.main()


def test_whoever_asks_for_the_traceback_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(management, "execute_from_command_line", refuse)
    monkeypatch.setattr("sys.argv", ["manage.py", "run_door", "--traceback"])
    with pytest.raises(LogUnavailable):
        manage.main()
