"""LLMSynthor's mathematics: from released statistics and proposals to records. No Django, no network."""

from synthesis.llm.base import Proposal, ProposalPlan
from synthesis.loop.finished import Finished
from synthesis.loop.loop import Loop
from synthesis.loop.reports import Discrepancy, Iteration
from synthesis.loop.scenario import Reach, Scenario, Swap
from synthesis.loop.settings import LoopSettings

__all__ = [
    "Discrepancy", "Finished", "Iteration", "Loop", "LoopSettings", "Proposal", "ProposalPlan", "Reach", "Scenario",
    "Swap",
]  # fmt: skip
