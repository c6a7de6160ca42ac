"""Searches what the FHIR server already holds, and runs backfill and reconciliation over it."""
