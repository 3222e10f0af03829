"""Requests, gates, runs and packages for programs: the pages' selectors, policies and services, told as JSON."""
