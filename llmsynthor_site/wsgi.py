import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsynthor_site.settings")
application = get_wsgi_application()

from llmsynthor_site import production  # noqa: E402  # it asks the database, which is known from here on

production.refuse()
