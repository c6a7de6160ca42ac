"""Logs, traces, health pages and checks; they carry ids and hashes only."""
