"""Evidence packs: what the log, the gates and the ledger say of a request, a dataset or a period, for an outsider."""
