"""What this room refuses. Messages name the rule that was broken; none carries a value from the data."""

from __future__ import annotations


class PrivacyError(Exception):
    """Anything this room refuses."""


# Said in several places, and to everybody: that a version is over is no secret.
NO_VERSION = "no version of the data may be measured: each was destroyed, or its last day is over"
ROWS_GONE = "the version of the data that this is about was destroyed, or its last day is over"


class NotAffordable(PrivacyError):
    """The charge would pass the cap or its reservation; the data was not touched."""


class CapExceeded(NotAffordable):
    """The population's cap has less privacy loss left than was asked for; nothing was reserved."""


class DeclarationRefused(PrivacyError):
    """The declaration contradicts one made before it, for example another cap for the same population."""


class NotReady(PrivacyError):
    """The step does not fit the present state, for example measuring a dataset without a file."""


class SealBroken(PrivacyError):
    """A sealed file is damaged, cut short, swapped, or sealed to another key."""


class AlreadyMeasuring(PrivacyError):
    """Another worker holds this release; nothing was done."""


class MeasuringFailed(PrivacyError):
    """The release ended without a result. Deliberately says no more than that."""


class TryAgain(PrivacyError):
    """The database was not there before anything was charged; the release waits as if nobody had come."""


class EngineTrouble(PrivacyError):
    """An owner's engine could not be asked; the message is one of a few fixed ones and quotes nothing."""


class EngineAway(EngineTrouble):
    """An owner's engine did not answer, before any of its rows was looked at."""
