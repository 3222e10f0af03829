"""The catalogues of translations: what is collected, from where, and when one is complete. Needs Babel (dev)."""
