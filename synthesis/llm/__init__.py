"""The proposer seam and its providers. No Django; a provider's network is opened by the door alone."""
