"""Datasets, caps and ledgers for programs: the pages' selectors, policies and services, told as JSON."""
