from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "llmsynthor_site"
    verbose_name = "Site"

    def ready(self) -> None:
        from django.core.checks import register

        from llmsynthor_site import notices
        from llmsynthor_site.system_checks import leases, private_keys, witness_settings

        for check in (leases, private_keys, witness_settings):
            register(check)
        notices.listen()
