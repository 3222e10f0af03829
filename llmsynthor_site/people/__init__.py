"""Accounts and roles in the browser: proposed by one person, decided by another."""
