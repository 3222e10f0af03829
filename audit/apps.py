from django.apps import AppConfig
from django.db.backends.signals import connection_created


class AuditConfig(AppConfig):
    name = "audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from audit.entering import remember_file

        connection_created.connect(remember_file, dispatch_uid="audit.log.remember_file")
