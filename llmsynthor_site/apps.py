from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "llmsynthor_site"
    verbose_name = "Site"

    def ready(self) -> None:
        from django.core.checks import register

        from llmsynthor_site.system_checks import leases

        register(leases)
