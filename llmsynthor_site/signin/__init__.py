"""Signing in: passwords, second factors and single sign-on, by django-allauth under this site's rules."""
