"""What can go wrong with the log and with prompts; every message names the rule that was broken."""

from __future__ import annotations


class AuditError(Exception):
    """Anything this room refuses."""


class LogUnavailable(AuditError):
    """The log cannot be trusted to keep what happens next, so nothing may happen next."""


class UnfitEvent(AuditError, ValueError):
    """An event that may not be written: a malformed action, a missing fact, a fact the log never holds."""


class BodyErased(AuditError):
    """The body was destroyed on request; its hash is still in the log."""


class BodyBroken(AuditError):
    """A stored body does not match the hash the log holds for it."""


class PromptExists(AuditError):
    """This attempt of this prompt was recorded before."""


class AlreadySending(AuditError):
    """The prompt is being sent, was sent, or may no longer be sent; a new attempt needs a new intent."""


class StaleToken(AuditError):
    """The lease behind this token ended, so its holder may no longer write the outcome."""


class ErasureRefused(AuditError):
    """What was asked to be erased cannot be, or not now."""
