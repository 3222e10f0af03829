"""How Django writes numbers by itself: the same in every language (settings.FORMAT_MODULE_PATH)."""
