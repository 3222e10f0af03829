"""Which database a model lives in: the log's models in ``log``, all others in ``default``."""

from __future__ import annotations

from typing import Any

from audit import LOG_MODELS


class LogRouter:
    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "log" if _in_log(model._meta.app_label, model._meta.model_name) else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        if "database" in hints:  # operations without a model, such as triggers, name their database
            return bool(hints["database"] == db)
        return (db == "log") == _in_log(app_label, model_name)


def _in_log(app_label: str, model_name: str | None) -> bool:
    return app_label == "audit" and model_name in LOG_MODELS
