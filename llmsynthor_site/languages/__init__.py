"""In which language somebody reads: chosen for each page, and used by pages and mail alone (docs/languages.md)."""
