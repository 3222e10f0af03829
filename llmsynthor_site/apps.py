from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "llmsynthor_site"
    verbose_name = "Site"

    def ready(self) -> None:
        from django.core.checks import register

        from llmsynthor_site import notices
        from llmsynthor_site.signin import telling
        from llmsynthor_site.system_checks import fit_for_production, leases, private_keys, witness_settings

        for check in (leases, private_keys, witness_settings, fit_for_production):
            register(check)
        notices.listen()
        telling.listen()
