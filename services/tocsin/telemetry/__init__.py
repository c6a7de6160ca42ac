"""Logs and traces: ids and hashes only."""
