"""What pages about signing in ask of a person."""

from __future__ import annotations

from django import template

from llmsynthor_site.signin.requirement import lacks_factor

register = template.Library()
register.filter("lacks_factor", lacks_factor)
