"""What happened, written so that nobody can take it back: events, prompts, and the log that holds them."""

LOG_MODELS = frozenset({"logentry", "loghead", "body", "checkpoint"})
"""Models that live in the `log` database; migrations see no class attributes, so they are named here."""
