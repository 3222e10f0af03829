"""The words for where a request stands and what people decide; used by models, workflow and pages."""

from __future__ import annotations

from django.db.models import TextChoices

EMBEDDED = "embedded"
"""The name under which the embedded proposer stands in the log, where others have an endpoint's name."""


STRUCTURE = "structure"
"""The kind of a run's event that tells how the question about the columns ended."""


class RequestState(TextChoices):
    DRAFT = "draft", "Draft"
    SUBMITTED = "submitted", "Submitted"
    IN_REVIEW = "in_review", "In review"
    RETURNED = "returned", "Returned with comments"
    APPROVED = "approved", "Approved for measuring"
    STRUCTURING = "structuring", "Asking the model about the columns"
    RESERVED = "reserved", "Privacy loss reserved"
    MEASURING = "measuring", "Measuring"
    MEASURED = "measured", "Measured, waiting for the egress gate"
    SYNTHESISING = "synthesising", "Synthesising"
    PAUSED = "paused", "Paused"
    COMPARING = "comparing", "Disclosure check"
    CHECKING = "checking", "Checked, waiting for the output gate"
    RELEASED = "released", "Released"
    REVOKED = "revoked", "Revoked"
    RECALLED = "recalled", "Recalled"
    EXPIRED = "expired", "Expired"
    LAPSED = "lapsed", "Lapsed: not decided in time"
    WITHDRAWN = "withdrawn", "Withdrawn"
    REJECTED = "rejected", "Rejected"
    FAILED = "failed", "Failed"


class Gate(TextChoices):
    MEASURE = "measure", "Gate A: measure"
    EGRESS = "egress", "Gate B: egress"
    OUTPUT = "output", "Gate C: output"


class Decision(TextChoices):
    APPROVE = "approve", "Approve"
    REJECT = "reject", "Reject"


class Proposer(TextChoices):
    EMBEDDED = "embedded", "Embedded (no language model)"
    PUBLIC = "public", "Public reference table of the owner, then embedded"
    OPENAI = "openai", "Language model (OpenAI-compatible endpoint)"


class Use(TextChoices):
    """What a table is asked for, as far as codes of permitted uses tell uses apart (privacy/duo_advice.py)."""

    RESEARCH = "research", "Research, other than the kinds below"
    HEALTH = "health", "Research on health, medicine or biomedicine"
    DISEASE = "disease", "Research on one disease"
    ORIGINS = "origins", "Research on population origins or ancestry"
    METHODS = "methods", "Developing general methods, such as software or algorithms"
    CLINICAL = "clinical", "Clinical care"
    OTHER = "other", "Something else than research"


class UseBy(TextChoices):
    NEITHER = "neither", "Not commercial, and not by a company"
    COMPANY = "company", "By a company, not commercial"
    COMMERCIAL = "commercial", "Commercial"


class JobKind(TextChoices):
    STRUCTURE = "structure", "Ask about the columns"
    MEASURE = "measure", "Measure"
    SYNTHESISE = "synthesise", "Synthesise"
    COMPARE = "compare", "Compare with the rows"
    PACK = "pack", "Write the package"


class Disclosure(TextChoices):
    """How a table is compared with the rows it came from, before gate C."""

    NONE = "none", "None"
    CHARGED = "charged", "Charged: two counts with noise, in the package"
    STEWARDS = "stewards", "For stewards' eyes only: two counts without noise"
