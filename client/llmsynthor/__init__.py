"""Client of an LLMSynthor site: ask for synthetic tables, watch them being made, download and verify them."""

from __future__ import annotations

from llmsynthor.api import Client, Refused
from llmsynthor.verifying import Verdict, verify

__all__ = ["Client", "Refused", "Verdict", "verify"]
