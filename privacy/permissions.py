"""What a role may be allowed to do in this room; the site's roles say who is."""

from __future__ import annotations

REGISTER = "privacy.register_dataset"
VIEW = "privacy.view_dataset"
LEDGER = "privacy.view_ledger"
BROWSE = "privacy.browse_catalogue"

LABELS = (
    ("register_dataset", "Can register datasets and upload their data"),
    ("view_dataset", "Can read every dataset's declaration and versions"),
    ("view_ledger", "Can read the privacy ledger"),
    ("browse_catalogue", "Can see which datasets can be asked for"),
)
